import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.*;
import java.security.KeyStore;
import java.time.*;
import javax.net.ssl.*;

public class App {
    record Pair(int a, int b) {}

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, 4);
            exchange.getResponseBody().write("page".getBytes());
            exchange.close();
        });
        server.start();
        URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
        String page = HttpClient.newHttpClient()
            .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString()).body();
        server.stop(0);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init((KeyStore) null);
        int authorities = ((X509TrustManager) trust.getTrustManagers()[0]).getAcceptedIssuers().length;
        SSLContext.getDefault().createSSLEngine();
        ZonedDateTime time = ZonedDateTime.of(2025, 7, 1, 12, 0, 0, 0, ZoneId.of("Europe/Paris"));
        System.out.println(page + " " + (authorities > 100) + " " + time + " " + new Pair(6, 7) + " é "
            + System.getProperty("sun.jnu.encoding") + " " + new java.io.File("/tmp/é").createNewFile());
    }
}
