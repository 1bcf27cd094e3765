#include "tools/hallmark/station/watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>

#include <cerrno>
#include <cstring>

#include "base/reason.h"

namespace hallmark::cli::station {

Watch::Watch() : events_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

Status Watch::Add(const std::filesystem::path& folder) {
  const int watched = events_.get() < 0
                          ? -1
                          : inotify_add_watch(events_.get(), folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
  if (watched < 0) {
    return Error(Code::kFailedPrecondition, reason::kFileUnreadable,
                 fmt::format("cannot watch the folder {}: {}", folder.string(), std::strerror(errno)));
  }
  folders_[watched] = folder;
  return absl::OkStatus();
}

Watch::Changes Watch::Take() {
  Changes changes;
  alignas(inotify_event) char buffer[16384];
  while (true) {
    const ssize_t size = read(events_.get(), buffer, sizeof(buffer));
    if (size <= 0) return changes;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) changes.missed = true;
      const auto folder = folders_.find(event->wd);
      if (folder == folders_.end() || event->len == 0 || (event->mask & IN_ISDIR) != 0) continue;
      changes.files.push_back(folder->second / event->name);
    }
  }
}

void Watch::Wait(Duration longest) const {
  pollfd events = {events_.get(), POLLIN, 0};
  poll(&events, 1, static_cast<int>(absl::ToInt64Milliseconds(longest)));
}

}  // namespace hallmark::cli::station
