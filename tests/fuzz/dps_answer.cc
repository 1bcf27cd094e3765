// What a service answers, and what we noted of its enrollments: whatever the octets, a refusal is one, says little and
// can be shown.
#include "publish/dps_answer.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/reason.h"
#include "base/text.h"
#include "publish/dps_devices.h"
#include "tests/fuzz/property.h"

namespace hallmark::fuzz {
namespace {

constexpr char kWhat[] = "setting the group line";

void CheckRefusal(int code, const std::string& body) {
  const Time now = absl::FromUnixSeconds(1'795'514'400);
  WebResponse response{.status = code, .headers = {{"retry-after", "7"}}, .body = body};
  const Status status = CheckAnswer(response, kWhat, now);
  Require(!status.ok(), "what is no success is a failure");
  Require(!Reason(status).empty(), "that has a reason");
  Require(Message(status).starts_with(kWhat), "and says what was tried");
  Require(Message(status).size() <= 1200, "and not much more");
  Require(IsCleanUtf8(Message(status)), "in text that can be shown");
  Require(RetryDelay(status).has_value() == absl::IsUnavailable(status), "one comes back to what may pass");
  // As a header it is whatever it is.
  response.headers["retry-after"] = body;
  const std::optional<Duration> delay = RetryDelay(CheckAnswer(response, kWhat, now));
  Require(!delay.has_value() || (*delay >= absl::ZeroDuration() && *delay <= absl::Minutes(10)), "in good time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string body = ToString({data, size});
  for (const int code : {302, 400, 401, 404, 409, 412, 429, 503}) CheckRefusal(code, body);
  if (!ErrorCodeOf(body).empty()) ++accepted_inputs;
  const StatusOr<EnrollmentNote> note = ReadNote(body);
  if (!note.ok()) {
    Require(note.status().code() == Code::kDataLoss, "a note that is none is lost");
    return 0;
  }
  ++accepted_inputs;
  const StatusOr<EnrollmentNote> again = ReadNote(ToContent(*note));
  Require(again.ok() && again->state == note->state && again->created == note->created && again->sure == note->sure &&
              again->fingerprint == note->fingerprint && again->theirs == note->theirs &&
              again->status == note->status && again->written == note->written,
          "a note is kept as it was read");
  return 0;
}

}  // namespace hallmark::fuzz
