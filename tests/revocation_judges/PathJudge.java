// Java's path validation as a judge of revocation. Run: java PathJudge.java < QUESTIONS
// A question is a line of words: "crl SECONDS ROOT ISSUER CERTIFICATE LISTS" or "ocsp SECONDS ROOT ISSUER CERTIFICATE
// RESPONSE": whether a certificate is good at that time by these CRLs (PEM, one after the other), or by this OCSP
// response (DER). The answer is a line: "good", "revoked", or "refused" and why.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.io.InputStream;
import java.security.cert.*;
import java.util.*;

public class PathJudge {
  static final CertificateFactory X509 = factory();

  static CertificateFactory factory() {
    try {
      return CertificateFactory.getInstance("X.509");
    } catch (CertificateException e) {
      throw new IllegalStateException(e);
    }
  }

  static X509Certificate certificate(String path) throws Exception {
    try (InputStream in = Files.newInputStream(Path.of(path))) {
      return (X509Certificate) X509.generateCertificate(in);
    }
  }

  static String judge(String[] words) throws Exception {
    X509Certificate root = certificate(words[2]);
    X509Certificate issuer = certificate(words[3]);
    X509Certificate subject = certificate(words[4]);
    PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
    parameters.setDate(new Date(Long.parseLong(words[1]) * 1000));
    PKIXRevocationChecker checker =
        (PKIXRevocationChecker) CertPathValidator.getInstance("PKIX").getRevocationChecker();
    if (words[0].equals("crl")) {
      checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
      try (InputStream in = Files.newInputStream(Path.of(words[5]))) {
        parameters.addCertStore(
            CertStore.getInstance("Collection", new CollectionCertStoreParameters(X509.generateCRLs(in))));
      }
    } else {
      checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.NO_FALLBACK));
      checker.setOcspResponses(Map.of(subject, Files.readAllBytes(Path.of(words[5]))));
    }
    parameters.addCertPathChecker(checker);
    CertPath path = X509.generateCertPath(List.of(subject, issuer));
    try {
      CertPathValidator.getInstance("PKIX").validate(path, parameters);
      return "good";
    } catch (CertPathValidatorException e) {
      if (e.getReason() == CertPathValidatorException.BasicReason.REVOKED) return "revoked";
      return "refused: " + e.getReason() + ": " + e.getMessage();
    }
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) System.out.println(judge(line.split(" ")));
  }
}
