#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace hallmark::log {
namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto created = spdlog::stderr_logger_mt("hallmark");
    created->set_pattern("%v", spdlog::pattern_time_type::utc);
    created->flush_on(spdlog::level::info);
    return created;
  }();
  return *logger;
}

void Write(spdlog::level::level_enum level, std::string_view name, std::string_view event, const Fields& fields) {
  if (!Logger().should_log(level)) return;
  nlohmann::ordered_json line = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone())},
      {"level", name},
      {"event", event},
  };
  for (const auto& [key, value] : fields.items()) line[key] = value;
  // Octets that are not UTF-8 are replaced: a log line must never throw.
  Logger().log(level, "{}", line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void Info(std::string_view event, const Fields& fields) { Write(spdlog::level::info, "info", event, fields); }
void Warning(std::string_view event, const Fields& fields) { Write(spdlog::level::warn, "warning", event, fields); }
void Error(std::string_view event, const Fields& fields) { Write(spdlog::level::err, "error", event, fields); }

Fields Describe(const Status& status) {
  // What comes from outside may stand in a message: it must not fill the log.
  constexpr size_t kMessageLimit = 1024;
  std::string message = Message(status);
  if (message.size() > kMessageLimit) message = message.substr(0, kMessageLimit) + "...";
  return {{"code", absl::StatusCodeToString(status.code())}, {"reason", Reason(status)}, {"message", message}};
}

void Quiet() { Logger().set_level(spdlog::level::warn); }

}  // namespace hallmark::log
