// The owner of an open file or socket.
#pragma once

#include <unistd.h>

namespace hallmark {

class FileDescriptor {
 public:
  // Takes over `fd`; a negative one stands for none.
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;  // two owners would close it twice
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace hallmark
