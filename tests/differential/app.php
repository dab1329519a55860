<?php
// What PHP reads of a request, and what the server before it says that it read, as JSON. Bytes are
// hexadecimal: neither paths nor fields need be text.

function split_path($path) {
    $pieces = explode('/', $path);
    array_shift($pieces);
    return $pieces;
}

function reading($reader, $segments, $route = null) {
    return ['reader' => $reader, 'segments' => array_map('bin2hex', $segments), 'route' => $route];
}

// What the server has decoded, all but the slashes that it was told to keep.
function split_told($path) {
    $kept = isset($_SERVER['SERVER_KEEPS_SLASHES']);
    $segment = fn($piece) => $kept ? str_replace('%2F', '/', $piece) : $piece;
    return array_map($segment, split_path($path));
}

$target = $_SERVER['REQUEST_URI'];
$raw_path = explode('?', $target, 2)[0];
$paths = [reading('PHP REQUEST_URI', array_map('rawurldecode', split_path($raw_path)))];
$parsed = parse_url($target, PHP_URL_PATH);
if (is_string($parsed)) {
    $paths[] = reading('PHP parse_url', array_map('rawurldecode', split_path($parsed)));
}
// Set by nginx.conf and httpd.conf: the path that their own rules compare, and which of them matched.
if (isset($_SERVER['SERVER_PATH'])) {
    $paths[] = reading('the server', split_told($_SERVER['SERVER_PATH']), $_SERVER['SERVER_ROUTE']);
}
if (isset($_SERVER['PATH_INFO']) && PHP_SAPI !== 'cli-server') {
    $paths[] = reading('PHP PATH_INFO', split_told($_SERVER['PATH_INFO']));
}
if (PHP_SAPI === 'cli-server') {
    $paths[] = reading('PHP PHP_SELF', split_path($_SERVER['PHP_SELF']));
}

$parameters = [];
foreach ($_GET as $name => $value) {
    $parameters[] = [bin2hex($name), bin2hex(is_array($value) ? json_encode($value) : $value)];
}
if (($_SERVER['SERVER_ARGUMENT'] ?? '') !== '') {
    $parameters[] = [bin2hex('access_token'), bin2hex($_SERVER['SERVER_ARGUMENT'])];
}

$fields = [];
foreach ($_SERVER as $name => $value) {
    $said = str_starts_with($name, 'HTTP_') || str_starts_with($name, 'REMOTE_') || str_starts_with($name, 'PHP_AUTH');
    if ($said) {
        $fields[] = [bin2hex($name), bin2hex($value)];
    }
}
foreach (getallheaders() as $name => $value) {
    $fields[] = [bin2hex($name), bin2hex($value)];
}
if (($_SERVER['SERVER_SUBJECT'] ?? '') !== '') {
    $fields[] = [bin2hex('X_AUTH_SUBJECT'), bin2hex($_SERVER['SERVER_SUBJECT'])];
}

header('Content-Type: application/json');
echo json_encode([
    'method' => $_SERVER['REQUEST_METHOD'],
    'target' => bin2hex($target),
    'paths' => $paths,
    'parameters' => $parameters,
    'fields' => $fields,
]);
