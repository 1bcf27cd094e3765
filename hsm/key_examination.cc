#include "hsm/key_examination.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/openssl.h"
#include "hsm/pkcs11_signer.h"
#include "hsm/private_key.h"
#include "hsm/token_examination.h"

namespace hallmark {
namespace {

constexpr size_t kSignatures = 5;
constexpr Duration kEnough = absl::Seconds(5);       // of signing, after which the rest is left out
constexpr Duration kSlow = absl::Milliseconds(250);  // a signature; a smart card, not an HSM for a factory
constexpr Duration kLimit = absl::Seconds(30);

std::string Milliseconds(Duration duration) { return fmt::format("{:.1f} ms", absl::ToDoubleMilliseconds(duration)); }

bool VerifiesUnder(ByteView public_key, SignatureAlgorithm algorithm, ByteView message, ByteView signature) {
  const uint8_t* in = public_key.data();
  const ssl::EvpKey key(d2i_PUBKEY(nullptr, &in, static_cast<long>(public_key.size())));
  const ssl::EvpDigestContext context(EVP_MD_CTX_new());
  const EVP_MD* digest = algorithm == SignatureAlgorithm::kEcdsaSha384 ? EVP_sha384() : EVP_sha256();
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

// The SubjectPublicKeyInfo of a certificate; empty when it is none.
Bytes PublicKeyOf(ByteView certificate) {
  const uint8_t* in = certificate.data();
  const ssl::Certificate parsed(d2i_X509(nullptr, &in, static_cast<long>(certificate.size())));
  if (parsed == nullptr) return {};
  return ssl::ToDer(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(parsed.get())).value_or(Bytes());
}

// The certificates on the token that have the key's CKA_ID.
StatusOr<std::vector<Bytes>> ReadCertificates(Token& token, const Bytes& id) {
  const CK_OBJECT_CLASS object_class = CKO_CERTIFICATE;
  std::vector<Bytes> certificates;
  RETURN_IF_ERROR(token.Run("read the certificates of the token", absl::Now() + kLimit,
                            [&](SessionHandle session) -> StatusOr<ReturnValue> {
                              CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), Attribute(CKA_ID, id)};
                              std::vector<CK_OBJECT_HANDLE> found;
                              const CK_FUNCTION_LIST& functions = token.module().functions();
                              ReturnValue rv = FindObjects(functions, session, wanted, found);
                              certificates.assign(found.size(), Bytes());
                              for (size_t i = 0; rv == CKR_OK && i < found.size(); ++i) {
                                rv = ReadAttribute(functions, session, found[i], CKA_VALUE, certificates[i]);
                              }
                              return rv;
                            }));
  return certificates;
}

// Sets `value` to nothing when the object has no such attribute.
ReturnValue ReadOptional(const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE object,
                         CK_ATTRIBUTE_TYPE type, Bytes& value) {
  const CK_RV rv = ReadAttribute(functions, session, object, type, value);
  if (rv != CKR_ATTRIBUTE_TYPE_INVALID) return rv;
  value.clear();
  return CKR_OK;
}

class Examiner {
 public:
  Examiner(const std::shared_ptr<Token>& token, const KeyExaminationOptions& options)
      : token_(token), options_(options) {}

  KeyExamination Run() {
    StatusOr<std::vector<KeyAttributes>> keys = ListKeys(*token_);
    StatusOr<std::vector<ObjectInformation>> objects = ListObjects(*token_);
    for (const Status& status : {keys.status(), objects.status()}) {
      if (status.ok()) continue;
      Add("keys", Judgement::kBad, Message(status), "The token does not list its objects; see the vendor's log.");
      return std::move(made_);
    }
    made_.objects = std::move(*objects);
    for (KeyAttributes& key : *keys) made_.keys.emplace_back().attributes = std::move(key);
    FindWanted();
    for (ExaminedKey& key : made_.keys) {
      options_.progress(fmt::format("key '{}'", key.attributes.uri.object));
      ExamineKey(key);
    }
    // Last: a token that fails to sign is away for a while, and its other keys could not be looked at.
    for (const auto& [key, public_key] : signing_) {
      options_.progress(fmt::format("test signatures of '{}'", key->attributes.uri.object));
      Sign(*key, public_key);
    }
    if (made_.keys.empty() && options_.wanted.empty()) {
      Add("keys", Judgement::kBad, "the token holds no private key",
          "Found the authorities with: hallmark init DIR, or restore the token.");
    }
    return std::move(made_);
  }

 private:
  void Add(const std::string& part, Judgement verdict, const std::string& finding, const std::string& advice) {
    made_.findings.push_back({part, verdict, finding, advice});
  }
  void Judge(ExaminedKey& key, Judgement verdict, const std::string& finding, const std::string& advice) {
    key.verdict = std::max(key.verdict, verdict);
    Add("key " + key.attributes.uri.object, verdict, finding, advice);
  }
  // How bad it is when a key is not fit: another application's key on the same token is its own affair.
  Judgement Unfit(const ExaminedKey& key) const {
    return key.authority.empty() && !options_.must_fit ? Judgement::kWarning : Judgement::kBad;
  }

  static bool Names(const KeyUri& uri, const KeyAttributes& key) {
    return (!uri.id.empty() || !uri.object.empty()) && (uri.id.empty() || uri.id == key.uri.id) &&
           (uri.object.empty() || uri.object == key.uri.object);
  }

  void FindWanted() {
    for (const KeyToExamine& wanted : options_.wanted) {
      const std::string part = "key of authority " + wanted.authority;
      const StatusOr<KeyUri> uri = KeyUri::Parse(wanted.uri);
      if (!uri.ok()) {
        Add(part, Judgement::kBad, Message(uri.status()), "Correct the authority's key URI (RFC 7512).");
        continue;
      }
      std::vector<std::string> labels;
      std::vector<ExaminedKey*> found;
      for (ExaminedKey& key : made_.keys) {
        labels.push_back(key.attributes.uri.object);
        if (Names(*uri, key.attributes)) found.push_back(&key);
      }
      if (found.size() == 1) {
        found.front()->authority = wanted.authority;
        continue;
      }
      const std::string near = found.empty() ? DidYouMean(uri->object, labels) : "";
      Add(part, Judgement::kBad,
          fmt::format("{} private keys on the token match {}{}; it has: {}", found.size(), wanted.uri, near,
                      JoinNames(labels)),
          found.empty()
              ? "Restore the token that the authority was founded on, or correct the URI; the service does not "
                "start without its keys."
              : "Add id= to the key's URI.");
    }
  }

  // Why what is wrong with a key is accepted, each reason once.
  std::string ReasonsOf(const KeyAttributes& attributes) const {
    std::vector<std::string> reasons;
    for (const AcceptedWeakness& accepted : AcceptedWeaknesses(attributes, options_.exceptions)) {
      if (std::find(reasons.begin(), reasons.end(), accepted.reason) == reasons.end()) {
        reasons.push_back(accepted.reason);
      }
    }
    return JoinNames(reasons);
  }

  void ExamineKey(ExaminedKey& key) {
    const KeyAttributes& attributes = key.attributes;
    if (!attributes.type.has_value()) {
      Judge(key, Unfit(key), "is of no type that Hallmark signs with (EC P-256 and P-384, RSA 2048, 3072 and 4096)",
            "Leave it to its application; for an authority generate a key of one of these types.");
      return;
    }
    const std::vector<std::string> weaknesses = Weaknesses(attributes);
    if (!weaknesses.empty()) {
      std::string all;
      for (const std::string& weakness : weaknesses) all += (all.empty() ? "" : "; ") + weakness;
      if (CheckSafe(attributes, options_.exceptions).ok()) {
        Judge(key, Judgement::kWarning, all, "The configuration accepts it: " + ReasonsOf(attributes));
      } else {
        Judge(key, Unfit(key), all,
              "Generate another key on the token with Hallmark, and let it found a successor of the authority.");
      }
    }
    const StatusOr<Bytes> public_key = ReadPublicKey(*token_, attributes.uri);
    key.has_public_key = public_key.ok();
    if (!public_key.ok()) {
      Judge(key, Unfit(key), Message(public_key.status()),
            "Restore the public key object beside the private key, with the same CKA_ID, from the authority's "
            "certificate, e.g. with: pkcs11-tool --write-object FILE --type pubkey --id ID");
      return;
    }
    ComparePublicKey(key, *public_key);
    if (key.verdict == Judgement::kBad || !CheckSafe(attributes, options_.exceptions).ok()) return;
    if (weaknesses.empty()) {
      Judge(key, Judgement::kGood,
            fmt::format("{}{}, made on the token, not extractable, signs only", KeyTypeName(*attributes.type),
                        key.authority.empty() ? "" : fmt::format(", of authority {}", key.authority)),
            "");
    }
    if (options_.sign && IsTested(key)) signing_.emplace_back(&key, *public_key);
  }

  void ComparePublicKey(ExaminedKey& key, const Bytes& public_key) {
    for (const KeyToExamine& wanted : options_.wanted) {
      if (wanted.authority != key.authority || wanted.public_key.empty() || Equal(wanted.public_key, public_key)) {
        continue;
      }
      Judge(key, Judgement::kBad,
            fmt::format(
                "is another key than that of authority {}'s certificate (SHA-256 of the public keys: {} and {})",
                wanted.authority, Hex(Sha256(public_key)).substr(0, 16), Hex(Sha256(wanted.public_key)).substr(0, 16)),
            "Restore the token that the authority was founded on, or the database that belongs to this token.");
    }
    const StatusOr<std::vector<Bytes>> certificates = ReadCertificates(*token_, key.attributes.uri.id);
    if (!certificates.ok()) {
      Judge(key, Judgement::kWarning, Message(certificates.status()), "The token does not show its certificates.");
      return;
    }
    for (const Bytes& certificate : *certificates) {
      if (Equal(PublicKeyOf(certificate), public_key)) continue;
      Judge(key, Judgement::kWarning, "a certificate on the token has its CKA_ID but another public key",
            "Hallmark takes no certificate from a token, but other programs do: remove it or correct its CKA_ID.");
    }
  }

  // Without a list of wanted keys, one of each type tells as much as all.
  bool IsTested(const ExaminedKey& key) {
    if (!options_.wanted.empty()) return !key.authority.empty();
    return tested_.insert(*key.attributes.type).second;
  }

  void Sign(ExaminedKey& key, const Bytes& public_key) {
    const std::string part = "signature " + key.attributes.uri.object;
    const StatusOr<TestSignatures> made = MakeSignatures(key, public_key);
    if (!made.ok()) {
      key.verdict = Judgement::kBad;
      Add(part, Judgement::kBad, Message(made.status()),
          "The key cannot sign as it must; the service would fail in the same way.");
      return;
    }
    key.signatures = *made;
    if (!made->verified) {
      key.verdict = Judgement::kBad;
      Add(part, Judgement::kBad, "OpenSSL does not verify the test signature under the key's public key",
          "Take the HSM out of service, or find out to which private key the public key object belongs.");
      return;
    }
    const double rate = static_cast<double>(options_.sessions) / absl::ToDoubleSeconds(made->median);
    const std::string finding =
        fmt::format("{} verified, median {}, slowest {}: {:.0f} a second if {} sessions work side by side", made->count,
                    Milliseconds(made->median), Milliseconds(made->slowest), rate, options_.sessions);
    if (made->median < kSlow) {
      Add(part, Judgement::kGood, finding, "");
      return;
    }
    key.verdict = std::max(key.verdict, Judgement::kWarning);
    Add(part, Judgement::kWarning, finding,
        "The token is slow. Give it as many sessions as it allows (hsm.sessions), look at its load and its connection, "
        "or use EC keys, which most tokens sign with faster than with RSA.");
  }

  StatusOr<TestSignatures> MakeSignatures(const ExaminedKey& key, const Bytes& public_key) {
    const SignatureAlgorithm algorithm = DefaultAlgorithm(*key.attributes.type);
    ASSIGN_OR_RETURN(
        std::shared_ptr<const Signer> signer,
        OpenSigner(token_, key.attributes.uri, {.algorithm = algorithm, .exceptions = options_.exceptions}));
    if (options_.journal != nullptr) {
      const std::string name = key.authority.empty() ? Hex(key.attributes.uri.id) : key.authority;
      ASSIGN_OR_RETURN(signer, JournalSignatures(options_.journal, "doctor:" + name, std::move(signer)));
    }
    TestSignatures made;
    made.verified = true;
    std::vector<Duration> durations;
    Duration total;
    while (durations.size() < kSignatures && total < kEnough) {
      constexpr std::string_view kDomain("Hallmark doctor test\0", 21);
      constexpr size_t kRandom = 32;
      Bytes message = ToBytes(AsBytes(kDomain));
      ASSIGN_OR_RETURN(const Bytes random, RandomBytes(kRandom));
      Append(message, random);
      const Time start = absl::Now();
      ASSIGN_OR_RETURN(const Bytes signature, signer->Sign(message, start + kLimit));
      durations.push_back(absl::Now() - start);
      total += durations.back();
      made.verified = made.verified && VerifiesUnder(public_key, algorithm, message, signature);
    }
    std::sort(durations.begin(), durations.end());
    made.count = durations.size();
    made.median = durations[durations.size() / 2];
    made.slowest = durations.back();
    return made;
  }

  const std::shared_ptr<Token>& token_;
  const KeyExaminationOptions& options_;
  KeyExamination made_;
  std::set<KeyType> tested_;
  std::vector<std::pair<ExaminedKey*, Bytes>> signing_;  // those of made_ whose test signatures are to be made
};

}  // namespace

KeyExamination ExamineKeys(const std::shared_ptr<Token>& token, const KeyExaminationOptions& options) {
  return Examiner(token, options).Run();
}

StatusOr<std::vector<ObjectInformation>> ListObjects(Token& token) {
  constexpr std::pair<CK_OBJECT_CLASS, const char*> kClasses[] = {
      {CKO_PRIVATE_KEY, "private"}, {CKO_PUBLIC_KEY, "public"}, {CKO_CERTIFICATE, "cert"}};
  std::vector<ObjectInformation> objects;
  const auto list = [&](SessionHandle session) -> StatusOr<ReturnValue> {
    const CK_FUNCTION_LIST& functions = token.module().functions();
    const CK_BBOOL on_token = CK_TRUE;
    objects.clear();
    ReturnValue rv = token.CheckLoggedIn(session);
    for (const auto& [object_class, name] : kClasses) {
      CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_TOKEN, on_token)};
      std::vector<CK_OBJECT_HANDLE> found;
      if (rv == CKR_OK) rv = FindObjects(functions, session, wanted, found);
      for (const CK_OBJECT_HANDLE object : found) {
        ObjectInformation information;
        information.object_class = name;
        Bytes label;
        if (rv == CKR_OK) rv = ReadOptional(functions, session, object, CKA_ID, information.id);
        if (rv == CKR_OK) rv = ReadOptional(functions, session, object, CKA_LABEL, label);
        information.label = ToString(label);
        objects.push_back(std::move(information));
      }
    }
    return rv;
  };
  RETURN_IF_ERROR(
      token.Run(fmt::format("list the objects of the token \"{}\"", token.uri().token), absl::Now() + kLimit, list));
  return objects;
}

std::vector<std::string> Weaknesses(const KeyAttributes& key) {
  const struct {
    bool weak;
    const char* text;
  } kinds[] = {{!key.on_token, "CKA_TOKEN is false: it disappears with the session that made it"},
               {!key.is_private, "CKA_PRIVATE is false: it can be used without a login"},
               {!key.sensitive, "CKA_SENSITIVE is false: its value can be read in the clear"},
               {!key.always_sensitive, "CKA_ALWAYS_SENSITIVE is false: its value could once be read in the clear"},
               {key.extractable, "CKA_EXTRACTABLE is true: it can be taken off the token"},
               {!key.never_extractable, "CKA_NEVER_EXTRACTABLE is false: it could once be taken off the token"},
               {!key.local, "CKA_LOCAL is false: it was brought in from outside, where a copy may be"},
               {!key.sign, "CKA_SIGN is false: it may not sign"},
               {key.decrypt, "CKA_DECRYPT is true: a CA key that also decrypts RSA can be made to sign by tricks"},
               {key.unwrap, "CKA_UNWRAP is true: it can bring foreign keys into the token"},
               {key.derive, "CKA_DERIVE is true: secrets can be derived from it"}};
  std::vector<std::string> weaknesses;
  for (const auto& kind : kinds) {
    if (kind.weak) weaknesses.push_back(kind.text);
  }
  return weaknesses;
}

}  // namespace hallmark
