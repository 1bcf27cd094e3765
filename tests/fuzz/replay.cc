// Replays a fuzz target where there is no libFuzzer: each file of a corpus, then mutations of them, always the same.
//   fuzz_csr tests/fuzz/corpus/csr [mutations]    20,000 of them unless told
//   fuzz_csr FILE                                 just this input
// A child process does the work and writes each input to a file first, so that whatever ends it (a signal, a sanitizer,
// 20 seconds without an answer), the parent can name the input.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "tests/fuzz/custom_mutator.h"
#include "tests/fuzz/mutation.h"
#include "tests/fuzz/property.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
#pragma weak LLVMFuzzerCustomMutator

namespace hallmark::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestInput = 16 << 10;
constexpr unsigned kSecondsEach = 20;
constexpr unsigned kSeed = 20261124;

// The file that holds the input being run.
class CurrentInput {
 public:
  explicit CurrentInput(const std::string& target)
      : path_(fs::temp_directory_path() / (target + "-XXXXXX")), file_(mkstemp(path_.data())) {}
  CurrentInput(const CurrentInput&) = delete;  // two owners would close it twice
  CurrentInput& operator=(const CurrentInput&) = delete;
  ~CurrentInput() { close(file_); }

  bool Write(ByteView input) const {
    const auto size = static_cast<ssize_t>(input.size());
    return ftruncate(file_, 0) == 0 && pwrite(file_, input.data(), input.size(), 0) == size;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_;
};

struct Replay {
  std::vector<Bytes> corpus;
  Random random{kSeed};
};

// LLVMFuzzerMutate, whose arguments libFuzzer's interface fixes, mutates with this one.
Replay& TheReplay() {
  static Replay replay;
  return replay;
}

StatusOr<std::vector<Bytes>> ReadCorpus(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else {
    files = {path};
  }
  std::vector<Bytes> corpus;
  for (const fs::path& file : files) {
    ASSIGN_OR_RETURN(const std::string content, ReadFile(file, kLargestInput));
    corpus.push_back(ToBytes(AsBytes(content)));
  }
  if (corpus.empty()) return absl::NotFoundError("there is no file in it");
  return corpus;
}

Bytes Mutate(const Bytes& octets) {
  if (LLVMFuzzerCustomMutator == nullptr) return MutateOctets(octets, TheReplay().corpus, TheReplay().random);
  Bytes buffer(kLargestInput);
  const size_t size = Put(octets, buffer.data(), buffer.size());
  buffer.resize(LLVMFuzzerCustomMutator(buffer.data(), size, buffer.size(), TheReplay().random()));
  return buffer;
}

bool Run(const CurrentInput& current, ByteView octets) {
  if (!current.Write(octets)) {
    std::fprintf(stderr, "cannot write %s: %s\n", current.path().c_str(), std::strerror(errno));
    return false;
  }
  const Bytes input = ToBytes(octets);  // of just its size, so that reading past it is noticed
  alarm(kSecondsEach);
  LLVMFuzzerTestOneInput(input.data(), input.size());
  alarm(0);
  return true;
}

// The child's part; returns its exit code.
int RunAll(const CurrentInput& current, const std::string& target, size_t mutations) {
  const std::vector<Bytes>& corpus = TheReplay().corpus;
  for (const Bytes& octets : corpus) {
    if (!Run(current, octets)) return EXIT_FAILURE;
  }
  for (size_t i = 0; i < mutations; ++i) {
    if (!Run(current, Mutate(corpus[i % corpus.size()]))) return EXIT_FAILURE;
  }
  std::printf("%s: %zu of %zu inputs and %zu mutations of them were accepted\n", target.c_str(), accepted_inputs,
              corpus.size(), mutations);
  if (corpus.size() == 1 || accepted_inputs > 0) return EXIT_SUCCESS;
  std::fprintf(stderr, "%s: nothing was accepted, hence nothing tested\n", target.c_str());
  return EXIT_FAILURE;
}

int Main(const std::string& target, const fs::path& path, size_t mutations) {
  StatusOr<std::vector<Bytes>> corpus = ReadCorpus(path);
  if (!corpus.ok()) {
    std::fprintf(stderr, "%s: cannot read the corpus %s: %s\n", target.c_str(), path.c_str(),
                 Message(corpus.status()).c_str());
    return EXIT_FAILURE;
  }
  TheReplay().corpus = *std::move(corpus);
  const CurrentInput current(target);
  const pid_t child = fork();
  if (child == 0) std::exit(RunAll(current, target, mutations));
  int status = 0;
  if (child > 0 && waitpid(child, &status, 0) == child && status == 0) {
    fs::remove(current.path());
    return EXIT_SUCCESS;
  }
  const char* end = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it failed";
  std::fprintf(stderr, "%s: %s; the last input is in %s\n", target.c_str(), end, current.path().c_str());
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace hallmark::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  hallmark::fuzz::Replay& replay = hallmark::fuzz::TheReplay();
  return hallmark::fuzz::Put(hallmark::fuzz::MutateOctets({data, size}, replay.corpus, replay.random), data, max_size);
}

int main(int argc, char** argv) {
  const std::string_view arguments = argc > 2 ? argv[2] : "";
  const std::filesystem::path path = argc > 1 ? argv[1] : "";
  size_t mutations = std::filesystem::is_directory(path) ? 20000 : 0;
  const auto [end, error] = std::from_chars(arguments.data(), arguments.data() + arguments.size(), mutations);
  if (argc < 2 || argc > 3 || end != arguments.data() + arguments.size()) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTATIONS]\n", argv[0]);
    return 2;
  }
  return hallmark::fuzz::Main(std::filesystem::path(argv[0]).filename(), path, mutations);
}
