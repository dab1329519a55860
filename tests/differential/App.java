// What a servlet in Tomcat reads of a request, as JSON. Bytes are hexadecimal: neither paths nor fields
// need be text.
//
// Arguments: a folder for Tomcat's own files, a port with its defaults, and one whose connector keeps %2F
// as it is.

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

public class App extends HttpServlet {
    /** The port where %2F stays as it is; and %25 with it, so that the two can be told apart. */
    private static int keepsSlashes;

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String wire(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private static List<String> split(String path) {
        return Arrays.asList(path.split("/", -1)).subList(1, path.split("/", -1).length);
    }

    /** Decodes a raw path as RFC 3986 says: first the segments, then their escapes. */
    private static List<String> decoded(String path) {
        return split(path).stream()
                .map(piece -> URLDecoder.decode(piece.replace("+", "%2B"), StandardCharsets.UTF_8))
                .collect(Collectors.toList());
    }

    private static String list(List<String> items) {
        return items.stream().collect(Collectors.joining(",", "[", "]"));
    }

    private static String quoted(String text) {
        return '"' + text + '"';
    }

    private static String pair(String name, String value) {
        return "[" + quoted(name) + "," + quoted(value) + "]";
    }

    private static String reading(String reader, List<String> segments, String route) {
        List<String> bytes = segments.stream().map(s -> quoted(hex(s))).collect(Collectors.toList());
        String matched = route == null ? "null" : quoted(route);
        return "{\"reader\":" + quoted(reader) + ",\"segments\":" + list(bytes) + ",\"route\":" + matched + "}";
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        String info = request.getPathInfo() == null ? "" : request.getPathInfo();
        String target = request.getRequestURI();
        String pattern = request.getHttpServletMapping().getPattern();
        String route = pattern.equals("/*") ? "any" : pattern.substring(1, pattern.length() - 2);
        List<String> paths = new ArrayList<>();
        String told = request.getServletPath() + info;
        boolean kept = request.getLocalPort() == keepsSlashes;
        paths.add(reading("servlet path and path info", kept ? decoded(told) : split(told), route));
        paths.add(reading("servlet getRequestURI", decoded(target), null));
        paths.add(reading("java.net.URI", decoded(URI.create(target).getRawPath()), null));

        List<String> parameters = new ArrayList<>();
        request.getParameterMap().forEach((name, values) -> {
            for (String value : values) {
                parameters.add(pair(hex(name), hex(value)));
            }
        });
        List<String> fields = new ArrayList<>();
        for (String name : Collections.list(request.getHeaderNames())) {
            for (String value : Collections.list(request.getHeaders(name))) {
                fields.add(pair(wire(name), wire(value)));
            }
        }
        fields.add(pair(wire("getRemoteAddr"), wire(request.getRemoteAddr())));
        fields.add(pair(wire("getRemoteUser"), wire(String.valueOf(request.getRemoteUser()))));

        response.setContentType("application/json");
        response.getOutputStream().print("{\"method\":" + quoted(request.getMethod())
                + ",\"target\":" + quoted(wire(target))
                + ",\"paths\":" + list(paths)
                + ",\"parameters\":" + list(parameters)
                + ",\"fields\":" + list(fields) + "}");
    }

    private static void listen(Tomcat tomcat, String port, boolean keepSlashes) {
        Connector connector = new Connector();
        connector.setPort(Integer.parseInt(port));
        connector.setProperty("address", "127.0.0.1");
        // The defaults end a connection after 100 requests; nobody here waits for that.
        connector.setProperty("maxKeepAliveRequests", "-1");
        if (keepSlashes) {
            connector.setEncodedSolidusHandling("passthrough");
        }
        tomcat.getService().addConnector(connector);
    }

    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[0]);
        listen(tomcat, arguments[1], false);
        listen(tomcat, arguments[2], true);
        keepsSlashes = Integer.parseInt(arguments[2]);
        Context context = tomcat.addContext("", arguments[0]);
        Tomcat.addServlet(context, "app", new App());
        for (String pattern : new String[] {"/public/*", "/admin/*", "/*"}) {
            context.addServletMappingDecoded(pattern, "app");
        }
        tomcat.start();
        tomcat.getServer().await();
    }
}
