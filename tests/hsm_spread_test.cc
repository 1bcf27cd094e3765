// Copies of one key on two tokens, on real SoftHSM2s that fail on demand.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/reason.h"
#include "hsm/cryptoki.h"
#include "hsm/signature_journal.h"
#include "hsm/spread_signer.h"
#include "tests/key_copies.h"

namespace hallmark {
namespace {

using ::hallmark::testing::Accept;
using ::hallmark::testing::Fails;
using ::hallmark::testing::Function;
using ::hallmark::testing::IsOk;
using ::hallmark::testing::kEcdsa;
using ::hallmark::testing::kFunctionCount;
using ::hallmark::testing::kImported;
using ::hallmark::testing::Names;
using ::hallmark::testing::OnceUp;
using ::hallmark::testing::OwnHsm;
using ::hallmark::testing::Shell;
using ::hallmark::testing::SignerTest;
using ::hallmark::testing::SignsAndVerifies;
using ::hallmark::testing::SignStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class ManualClock : public Clock {
 public:
  Time Now() const override { return absl::FromUnixSeconds(seconds_); }
  void Advance(int seconds) { seconds_ += seconds; }

 private:
  std::atomic<int64_t> seconds_ = 1795514400;
};

class SpreadTest : public SignerTest {
 protected:
  // The same key on both.
  void ImportToBoth() {
    hsm_.Import(key_.pem, "devices", "0a");
    second_.Import(key_.pem, "devices", "0a");
  }
  StatusOr<std::shared_ptr<SpreadSigner>> Create(bool is_single = false) {
    std::vector<std::unique_ptr<Pkcs11Signer>> copies;
    copies.push_back(Open(hsm_, key_.spki));
    if (!is_single) copies.push_back(Open(second_, key_.spki));
    return SpreadSigner::Create(std::move(copies), clock_, [this](const ReplicaHealth& health) {
      const std::lock_guard lock(mutex_);
      told_.emplace_back(health.uri.token, health.status.code());
    });
  }
  std::vector<std::pair<std::string, Code>> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  // Waits until the observer was told `size` times, as time passes.
  void AwaitTold(size_t size) {
    for (; told().size() < size; clock_.Advance(kRetry)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static std::vector<Code> Codes(const SpreadSigner& spread) {
    const std::vector<ReplicaHealth> health = spread.Health();
    std::vector<Code> codes;
    for (const ReplicaHealth& replica : health) codes.push_back(replica.status.code());
    return codes;
  }
  static constexpr int kRetry = 2;  // seconds, of SpreadSigner::kRetryInterval

  ManualClock clock_;
  OwnHsm second_{"second"};
  std::mutex mutex_;
  std::vector<std::pair<std::string, Code>> told_;
};

TEST_F(SpreadTest, EachCopyTakesItsTurnWhenAllAreIdle) {
  ImportToBoth();
  const auto spread = Create().value();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
  EXPECT_EQ(hsm_.Signatures(), 50u);
  EXPECT_EQ(second_.Signatures(), 50u);
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_THAT(spread->Examine(), IsOk());
  const std::vector<ReplicaHealth> health = spread->Health();
  ASSERT_THAT(health, SizeIs(2));
  EXPECT_EQ(health[1].uri, second_.Uri("devices"));
  EXPECT_EQ(health[1].since, clock_.Now());
  EXPECT_EQ(Names(health[1].accepted), kImported);
}

TEST_F(SpreadTest, BusyCopyIsPassedOver) {
  ImportToBoth();
  const auto spread = Create().value();
  hsm_.shim().Hang(Function::kSign);
  std::thread slow([&] { EXPECT_TRUE(SignsAndVerifies(*spread)); });  // the first's turn
  while (hsm_.Signatures() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
  hsm_.shim().Release();
  slow.join();
  EXPECT_EQ(hsm_.Signatures(), 1u);
  EXPECT_EQ(second_.Signatures(), 20u);
}

TEST_F(SpreadTest, SingleCopyCostsNoCallMoreThanASigner) {
  hsm_.Import(key_.pem, "devices", "0a");
  const auto calls = [this](const Signer& signer) {
    EXPECT_TRUE(SignsAndVerifies(signer));
    const auto count = [this] {
      uint64_t sum = 0;
      for (size_t i = 0; i < kFunctionCount; ++i) sum += hsm_.shim().Calls(static_cast<Function>(i));
      return sum;
    };
    const uint64_t before = count();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(SignsAndVerifies(signer));
    return count() - before;
  };
  const uint64_t alone = calls(*Open(hsm_, key_.spki));
  EXPECT_GE(alone, 20u);
  EXPECT_EQ(calls(*Create(true).value()), alone);
}

TEST_F(SpreadTest, LossAndReturnOfATokenUnderEightThreadsIsNoFailure) {
  ImportToBoth();
  const auto spread = Create().value();
  std::atomic<bool> stopped = false;
  std::atomic<int> signatures = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; !stopped; ++i) signatures += SignsAndVerifies(*spread, fmt::format("{}.{}", thread, i)) ? 1 : 0;
    });
  }
  const auto await_signatures = [](const OwnHsm& hsm, uint64_t more) {
    const uint64_t enough = hsm.Signatures() + more;
    while (hsm.Signatures() < enough) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  for (size_t round = 0; round < 5; ++round) {
    await_signatures(hsm_, 50);
    hsm_.shim().RemoveToken();
    AwaitTold(2 * round + 1);
    EXPECT_THAT(Codes(*spread), ElementsAre(Code::kUnavailable, Code::kOk));
    await_signatures(second_, 50);
    clock_.Advance(kRetry);  // somebody tries, in vain
    await_signatures(second_, 50);
    hsm_.shim().ReturnToken();
    AwaitTold(2 * round + 2);
  }
  stopped = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(signatures, 750);
  EXPECT_THAT(told(), SizeIs(10));
  for (size_t i = 0; i < told_.size(); ++i) {
    EXPECT_THAT(told_[i], Pair("first", i % 2 == 0 ? Code::kUnavailable : Code::kOk));
  }
}

TEST_F(SpreadTest, UnreliableTokenSpoilsNothing) {
  ImportToBoth();
  const auto spread = Create().value();
  hsm_.shim().FailRandomly(100, {CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_SESSION_HANDLE_INVALID, CKR_FUNCTION_FAILED},
                           77);
  std::atomic<int> signatures = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        signatures += SignsAndVerifies(*spread) ? 1 : 0;
        if (i % 5 == 0) clock_.Advance(kRetry);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(signatures, 400);
}

TEST_F(SpreadTest, NoCopyLeftSaysWhetherOneMayComeBack) {
  ImportToBoth();
  const auto spread = Create().value();
  hsm_.shim().RemoveToken();
  second_.shim().RemoveToken();
  const Status away = SignStatus(*spread);
  EXPECT_EQ(away.code(), Code::kUnavailable);
  EXPECT_TRUE(RetryDelay(away).has_value());
  second_.shim().ReturnToken();
  EXPECT_THAT(OnceUp([&] { return SignStatus(*spread); }), IsOk());  // the clock stands, but there is no other
  EXPECT_THAT(Codes(*spread), ElementsAre(Code::kUnavailable, Code::kOk));

  second_.Pkcs11Tool("--delete-object --type privkey --id 0a");
  EXPECT_EQ(SignStatus(*spread).code(), Code::kUnavailable);
  EXPECT_THAT(Codes(*spread), ElementsAre(Code::kUnavailable, Code::kFailedPrecondition));
  hsm_.shim().ReturnToken();
  hsm_.Pkcs11Tool("--delete-object --type privkey --id 0a");
  EXPECT_THAT(OnceUp([&] { return SignStatus(*spread); }), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_THAT(spread->Examine(), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_THAT(told(), ElementsAre(Pair("first", Code::kUnavailable), Pair("second", Code::kUnavailable),
                                  Pair("second", Code::kOk), Pair("second", Code::kFailedPrecondition),
                                  Pair("first", Code::kFailedPrecondition)));
}

TEST_F(SpreadTest, TriesNoFurtherCopyAfterTheDeadline) {
  ImportToBoth();
  const auto spread = Create().value();
  hsm_.shim().Fail(Function::kSign, CKR_DEVICE_ERROR);
  EXPECT_EQ(spread->Sign(AsBytes("tbs"), clock_.Now()).status().code(), Code::kUnavailable);
  EXPECT_EQ(second_.Signatures(), 0u);
}

TEST_F(SpreadTest, CopyThatNeedsAnOperatorIsTriedByOneCallerAtATime) {
  ImportToBoth();
  const auto spread = Create().value();
  hsm_.Pkcs11Tool("--delete-object --type privkey --id 0a");
  const auto sign_and_count = [&] {
    const uint64_t before = hsm_.shim().Calls(Function::kFindObjectsInit);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
    return hsm_.shim().Calls(Function::kFindObjectsInit) - before;
  };
  EXPECT_GE(sign_and_count(), 1u);
  EXPECT_THAT(told(), ElementsAre(Pair("first", Code::kFailedPrecondition)));
  EXPECT_EQ(hsm_.Signatures(), 0u);
  EXPECT_EQ(sign_and_count(), 0u);
  clock_.Advance(kRetry);
  EXPECT_EQ(sign_and_count(), 1u);  // for the private key, of which there is none
  hsm_.Pkcs11Tool("--delete-object --type pubkey --id 0a");
  hsm_.Import(key_.pem, "devices", "0a");
  EXPECT_EQ(sign_and_count(), 0u);
  clock_.Advance(kRetry);
  EXPECT_EQ(sign_and_count(), 2u);  // the private and the public key
  EXPECT_THAT(told(), ElementsAre(Pair("first", Code::kFailedPrecondition), Pair("first", Code::kOk)));
  EXPECT_GE(hsm_.Signatures(), 10u);
}

TEST_F(SpreadTest, WatchTakesAKeyOutOfUseAndBack) {
  ImportToBoth();
  const auto spread = Create().value();
  second_.Pkcs11Tool("--delete-object --type pubkey --id 0a");
  clock_.Advance(1);
  EXPECT_THAT(spread->Examine(), Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  EXPECT_EQ(spread->Health()[1].since, clock_.Now());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
  EXPECT_EQ(second_.Signatures(), 0u);
  second_.Pkcs11Tool(fmt::format("--write-object {} --type pubkey --id 0a --label devices", File("key.der")));
  EXPECT_THAT(spread->Examine(), IsOk());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
  EXPECT_EQ(second_.Signatures(), 5u);
  EXPECT_THAT(told(), ElementsAre(Pair("second", Code::kFailedPrecondition), Pair("second", Code::kOk)));
}

TEST_F(SpreadTest, DifferentKeyIsRefusedAtStart) {
  hsm_.Import(key_.pem, "devices", "0a");
  second_.Import(other_key_.pem, "devices", "0a");
  const auto refused = Create();
  EXPECT_THAT(refused, Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_THAT(Message(refused.status()), HasSubstr(other_key_.sha256));
  // Two keys of which neither has a certificate.
  std::vector<std::unique_ptr<Pkcs11Signer>> copies;
  copies.push_back(Open(hsm_, {}));
  copies.push_back(Open(second_, {}));
  const auto two = SpreadSigner::Create(std::move(copies), clock_, nullptr);
  EXPECT_THAT(two, Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_THAT(Message(two.status()), HasSubstr(key_.sha256));
  EXPECT_THAT(SpreadSigner::Create({}, clock_, nullptr), Fails(Code::kInvalidArgument, reason::kConfigurationInvalid));
  EXPECT_EQ(hsm_.Signatures() + second_.Signatures(), 0u);
}

TEST_F(SpreadTest, DifferentKeyThatTurnsUpLaterIsNeverSignedWith) {
  hsm_.Import(key_.pem, "devices", "0a");
  second_.Import(other_key_.pem, "devices", "0a");
  second_.shim().RemoveToken();
  const auto spread = Create().value();
  EXPECT_THAT(told(), ElementsAre(Pair("second", Code::kUnavailable)));
  EXPECT_TRUE(SignsAndVerifies(*spread));
  second_.shim().ReturnToken();
  for (; told().size() < 2; clock_.Advance(kRetry)) EXPECT_TRUE(SignsAndVerifies(*spread));
  EXPECT_EQ(second_.Signatures(), 0u);
  EXPECT_THAT(spread->Health()[1].status, Fails(Code::kFailedPrecondition, reason::kHsmKeyMismatch));
  EXPECT_THAT(told(), ElementsAre(Pair("second", Code::kUnavailable), Pair("second", Code::kFailedPrecondition)));
}

TEST_F(SpreadTest, StartsWithoutACopyButNotWithoutAnyUsableOne) {
  const auto nothing = Create();
  EXPECT_THAT(nothing, Fails(Code::kFailedPrecondition, reason::kHsmKeyNotFound));
  hsm_.Import(key_.pem, "devices", "0a");
  const auto spread = Create().value();
  EXPECT_THAT(Codes(*spread), ElementsAre(Code::kOk, Code::kFailedPrecondition));
  EXPECT_TRUE(SignsAndVerifies(*spread));
  hsm_.shim().RemoveToken();
  second_.shim().RemoveToken();
  EXPECT_THAT(Codes(*Create().value()), ElementsAre(Code::kUnavailable, Code::kUnavailable));
}

TEST_F(SpreadTest, JournalHasALineForEachSignature) {
  ImportToBoth();
  const auto journal = SignatureJournal::Open(directory_ / "journal", clock_).value();
  const auto signer = JournalSignatures(journal, "devices", Create().value()).value();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(SignsAndVerifies(*signer));
  EXPECT_EQ(Shell("wc -l < " + File("journal")), "10\n");
  EXPECT_EQ(hsm_.Signatures() + second_.Signatures(), 10u);
}

// A key that left its token as a vendor's tool would let it: wrapped with a key that both tokens have.
class WrappedKey {
 public:
  WrappedKey(Token& from, const KeyUri& uri) {
    EXPECT_THAT(Run(from,
                    [&](const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE wrapping) {
                      std::vector<CK_OBJECT_HANDLE> found;
                      const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
                      CK_ATTRIBUTE wanted[] = {ValueAttribute(CKA_CLASS, object_class),
                                               Attribute(CKA_LABEL, AsBytes(uri.object))};
                      ReturnValue rv = FindObjects(functions, session, wanted, found);
                      CK_ULONG size = octets_.size();
                      if (rv == CKR_OK) {
                        rv = functions.C_WrapKey(session, &mechanism_, wrapping, found.at(0), octets_.data(), &size);
                      }
                      octets_.resize(size);
                      return rv;
                    }),
                IsOk());
  }

  void Unwrap(Token& to, const std::string& object, const Bytes& id) {
    const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    const CK_KEY_TYPE type = CKK_EC;
    std::vector<CK_ATTRIBUTE> attributes = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_KEY_TYPE, type),
                                            Attribute(CKA_LABEL, AsBytes(object)), Attribute(CKA_ID, id)};
    for (const CK_ATTRIBUTE_TYPE set : {CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN}) {
      attributes.push_back(ValueAttribute(set, kTrue));
    }
    for (const CK_ATTRIBUTE_TYPE unset : {CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE}) {
      attributes.push_back(ValueAttribute(unset, kFalse));
    }
    EXPECT_THAT(Run(to,
                    [&](const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE wrapping) {
                      CK_OBJECT_HANDLE key = 0;
                      return functions.C_UnwrapKey(session, &mechanism_, wrapping, octets_.data(), octets_.size(),
                                                   attributes.data(), attributes.size(), &key);
                    }),
                IsOk());
  }

 private:
  static constexpr CK_BBOOL kTrue = CK_TRUE;
  static constexpr CK_BBOOL kFalse = CK_FALSE;

  // Calls `use` with a session that has the wrapping key.
  template <class Use>
  Status Run(Token& token, const Use& use) {
    return token.Run("wrap", absl::InfiniteFuture(), [&](SessionHandle session) -> StatusOr<ReturnValue> {
      const CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
      const CK_KEY_TYPE type = CKK_AES;
      const Bytes value(32, 7);
      CK_ATTRIBUTE attributes[] = {ValueAttribute(CKA_CLASS, object_class), ValueAttribute(CKA_KEY_TYPE, type),
                                   Attribute(CKA_VALUE, value), ValueAttribute(CKA_WRAP, kTrue),
                                   ValueAttribute(CKA_UNWRAP, kTrue)};
      CK_OBJECT_HANDLE wrapping = 0;
      const CK_FUNCTION_LIST& functions = token.module().functions();
      const ReturnValue rv = functions.C_CreateObject(session, attributes, std::size(attributes), &wrapping);
      return rv == CKR_OK ? use(functions, session, wrapping) : rv;
    });
  }

  CK_MECHANISM mechanism_ = {CKM_AES_KEY_WRAP_PAD, nullptr, 0};
  Bytes octets_ = Bytes(4096);
};

TEST_F(SpreadTest, WrappedCopySignsBesideTheOriginal) {
  hsm_.Pkcs11Tool(
      "--keypairgen --key-type EC:secp256r1 --label devices --id 0a --extractable --sensitive --usage-sign");
  const auto first = hsm_.MakeToken();
  const auto second = second_.MakeToken();
  WrappedKey(*first, hsm_.Uri("devices")).Unwrap(*second, "devices", {0x0a});
  hsm_.Pkcs11Tool("--read-object --type pubkey --id 0a -o " + File("wrapped.der"));
  second_.Pkcs11Tool(fmt::format("--write-object {} --type pubkey --id 0a --label devices", File("wrapped.der")));
  std::vector<std::unique_ptr<Pkcs11Signer>> copies;
  copies.push_back(OpenSigner(first, hsm_.Uri("devices"),
                              {.algorithm = kEcdsa,
                               .exceptions = {Accept(hsm_.Uri("devices"),
                                                     {"extractable", "not_never_extractable", "decrypt", "unwrap"})}})
                       .value());
  copies.push_back(
      OpenSigner(second, second_.Uri("devices"), {.algorithm = kEcdsa, .exceptions = {Accept(second_.Uri("devices"))}})
          .value());
  const auto spread = SpreadSigner::Create(std::move(copies), clock_, nullptr).value();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(SignsAndVerifies(*spread));
  EXPECT_EQ(hsm_.Signatures(), 5u);
  EXPECT_EQ(second_.Signatures(), 5u);
  EXPECT_THAT(Names(spread->Health()[0].accepted),
              ElementsAre("extractable", "not_never_extractable", "decrypt", "unwrap"));
  EXPECT_EQ(Names(spread->Health()[1].accepted), kImported);
}

}  // namespace
}  // namespace hallmark
