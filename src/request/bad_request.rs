//! Every reason for which a request has no canonical form, in one table. None quotes the request.

use super::refusals::refusals;

refusals! {
    /// Why a request has no canonical form. One variant per reason word; each has a status.
    BadRequest {
        // Method and target.
        MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed" "this method is never let through",
        MethodUnknown = NOT_IMPLEMENTED "method_unknown" "the method is not known here",
        TargetForm = BAD_REQUEST "target_form" "the request target is not an absolute path",
        TargetScheme = BAD_REQUEST "target_scheme" "the scheme of the request is not the scheme of the connection",
        TargetTooLong = URI_TOO_LONG "target_too_long" "the request target is too long",
        // Host.
        HostMissing = BAD_REQUEST "host_missing" "the request names no host",
        HostRepeated = BAD_REQUEST "host_repeated" "the request has more than one Host field",
        HostMalformed = BAD_REQUEST "host_malformed" "the host is not a name or address with an optional port",
        HostUserinfo = BAD_REQUEST "host_userinfo" "the host carries user information",
        HostConflict = BAD_REQUEST "host_conflict" "the request names two different hosts",
        // Path.
        PathRelative = BAD_REQUEST "path_relative" "the path does not begin with a slash",
        PathDotSegment = BAD_REQUEST "path_dot_segment" "the path has a dot segment",
        PathEmptySegment = BAD_REQUEST "path_empty_segment" "the path has an empty segment",
        PathEncodedSlash = BAD_REQUEST "path_encoded_slash" "the path has an encoded slash",
        PathBackslash = BAD_REQUEST "path_backslash" "the path has a backslash",
        PathControl = BAD_REQUEST "path_control" "the path has a control character or a raw blank",
        PathBadEscape = BAD_REQUEST "path_bad_escape" "the path has a percent sign without two hex digits",
        PathNotUtf8 = BAD_REQUEST "path_not_utf8" "the path does not decode to UTF-8",
        PathNonAscii = BAD_REQUEST "path_non_ascii" "the path has a raw byte outside ASCII",
        PathSemicolon = BAD_REQUEST "path_semicolon" "the path has a semicolon",
        PathEncodedHash = BAD_REQUEST "path_encoded_hash" "the path has an encoded number sign",
        PathEncodedQuestion = BAD_REQUEST "path_encoded_question" "the path has an encoded question mark",
        PathDoubleEncoding = BAD_REQUEST "path_double_encoding" "the path is percent-encoded twice",
        PathSegmentEnd = BAD_REQUEST "path_segment_end" "a segment of the path ends with a blank or a dot",
        PathLookalike = BAD_REQUEST "path_lookalike" "the path has a character that looks like a slash or a dot",
        PathTooManySegments = URI_TOO_LONG "path_too_many_segments" "the path has too many segments",
        // Query.
        QueryControl = BAD_REQUEST "query_control" "the query has a control character or a raw blank",
        QueryNonAscii = BAD_REQUEST "query_non_ascii" "the query has a raw byte outside ASCII",
        QueryBadName = BAD_REQUEST "query_bad_name" "the name of a query parameter does not decode",
        // Head and fields.
        Head = BAD_REQUEST "head_malformed" "the head of the request is not read as one by the letter",
        TooManyFields = REQUEST_HEADER_FIELDS_TOO_LARGE "too_many_fields" "the request has too many header fields",
        HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large" "the head of the request is too large",
        ConnectionNamesField = BAD_REQUEST "connection_names_field" "Connection names a field that is not the connection's",
        ConnectionField = BAD_REQUEST "connection_field" "HTTP/2 has no connection-specific fields",
        FieldBlank = BAD_REQUEST "field_blank" "the value of a field begins or ends with a blank",
        FieldName = BAD_REQUEST "field_name" "the name of a field is not a token",
        Expectation = EXPECTATION_FAILED "expectation" "the expectation is not known here",
        GrpcTimeout = BAD_REQUEST "grpc_timeout" "grpc-timeout is not 1 to 8 digits and a unit",
        // Framing.
        TransferEncoding = BAD_REQUEST "transfer_encoding" "the transfer coding is not exactly one chunked",
        ContentLength = BAD_REQUEST "content_length" "Content-Length is not one plain number",
        ContentLengthConflict = BAD_REQUEST "content_length_conflict" "the request states two lengths",
    }
}
