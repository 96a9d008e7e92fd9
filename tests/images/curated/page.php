<?php
session_start();
$db = new PDO('sqlite::memory:');
$xml = new SimpleXMLElement('<a><b>six</b></a>');
$zip = new ZipArchive; $zip->open('/tmp/z.zip', ZipArchive::CREATE); $zip->addFromString('f', 'x'); $zip->close();
$curl = curl_init('file:///tmp/z.zip'); curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
header('Content-Type: application/json');
echo json_encode([
    'sum' => $db->query('select 6 * 7')->fetchColumn(),
    'xml' => (string) $xml->b,
    'upper' => mb_strtoupper('é'),
    'latin' => bin2hex(iconv('UTF-8', 'ISO-8859-15', '€')),
    'zip' => substr(curl_exec($curl), 0, 2),
    'big' => bcmul('12345678901234567890', '10'),
    'time' => (new DateTime('2025-07-01 12:00', new DateTimeZone('Europe/Paris')))->format('c'),
    'opcache' => opcache_get_status(false)['opcache_enabled'],
    'authorities' => is_readable(openssl_get_cert_locations()['default_cert_file']),
    'drivers' => PDO::getAvailableDrivers(),
    'memory' => ini_get('memory_limit'),
    'errors' => ini_get('display_errors'),
    'variable' => getenv('GREETING'),
    'name' => $_GET['name'],
    'visits' => $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1,
]);
