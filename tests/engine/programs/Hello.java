import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.security.KeyStore;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** Trust store, time zones, encoding, a child process' absence, and text drawn with a font of the image. */
public class Hello {
    public static void main(String[] arguments) throws Exception {
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init((KeyStore) null);
        int trusted = ((X509TrustManager) factory.getTrustManagers()[0]).getAcceptedIssuers().length;
        SSLContext.getDefault();
        String fonts = "no fonts";
        try {
            Graphics2D graphics = new BufferedImage(50, 50, BufferedImage.TYPE_INT_RGB).createGraphics();
            graphics.setFont(new Font("DejaVu Sans", Font.PLAIN, 12));
            graphics.drawString("x", 10, 10);
            fonts = graphics.getFont().getFamily();
        } catch (Throwable error) {
            fonts = error.toString();
        }
        System.out.println("java " + (trusted > 100) + " " + java.time.ZoneId.of("Europe/Berlin") + " "
            + System.getProperty("file.encoding") + " " + fonts);
    }
}
