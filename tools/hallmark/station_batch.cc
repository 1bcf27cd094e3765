// hallmark batch sign.
#include <fmt/format.h>

#include <fstream>

#include "base/reason.h"
#include "tools/hallmark/station.h"

namespace hallmark::cli {
namespace {

constexpr size_t kChunk = size_t{60} << 10;  // of IssueBundleRequest.chunk, at most 64 KiB

struct Options {
  std::string file;
  std::string out;
};

// The answers as they come, beside their file until they are complete.
class AnswerFile {
 public:
  explicit AnswerFile(const std::string& path) : path_(path), part_(path + ".part"), out_(part_, std::ios::binary) {}
  AnswerFile(const AnswerFile&) = delete;
  ~AnswerFile() {
    std::error_code ignored;
    if (!part_.empty()) std::filesystem::remove(part_, ignored);
  }
  Status Write(const std::string& chunk) {
    out_ << chunk;
    return out_ ? absl::OkStatus() : Failed("write");
  }
  Status Commit() {
    out_.close();
    if (!out_) return Failed("write");
    std::error_code error;
    std::filesystem::rename(part_, path_, error);
    if (error) return Failed("rename a file to");
    part_.clear();
    return absl::OkStatus();
  }

 private:
  Status Failed(const char* action) const {
    return Error(
        Code::kFailedPrecondition, reason::kFileUnreadable,
        fmt::format("cannot {} {}; mend that and run again, the same bundle has the same answers", action, path_));
  }
  const std::string path_;
  std::string part_;
  std::ofstream out_;
};

StatusOr<ExitCode> SignBatch(Session& session, const Options& options) {
  std::ifstream in(options.file, std::ios::binary);
  if (!in) {
    return Error(Code::kNotFound, reason::kFileUnreadable, fmt::format("cannot open the bundle {}", options.file));
  }
  ASSIGN_OR_RETURN(Client client, session.Connect());
  AnswerFile answers(options.out);
  v1::IssueBundleResponse last;
  const bool progress = session.environment.err_is_terminal && !session.json();
  RETURN_IF_ERROR(client.IssueBundle(
      [&in, &options]() -> StatusOr<std::optional<std::string>> {
        std::string chunk(kChunk, '\0');
        in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
        chunk.resize(static_cast<size_t>(in.gcount()));
        if (in.bad()) {
          return Error(Code::kFailedPrecondition, reason::kFileUnreadable, fmt::format("cannot read {}", options.file));
        }
        return chunk.empty() ? std::optional<std::string>() : std::optional(std::move(chunk));
      },
      [&](const v1::IssueBundleResponse& response) -> Status {
        last = response;
        if (progress) session.err << fmt::format("\r\x1b[K{} answered", last.answered()) << std::flush;
        return answers.Write(response.chunk());
      }));
  if (progress) session.err << "\r\x1b[K";
  RETURN_IF_ERROR(answers.Commit());
  if (session.json()) {
    session.PrintJson(nlohmann::json{{"answered", last.answered()}, {"issued", last.issued()}, {"file", options.out}});
  } else {
    session.out << fmt::format(
        "{}: {} answered, {} of them with a certificate; at the line: hallmark station import {} "
        "--out DIR\n",
        options.out, last.answered(), last.issued(), options.out);
  }
  return last.issued() < last.answered() ? kRefused : kDone;
}

}  // namespace

void AddBatch(CLI::App& app, Session& session) {
  CLI::App* group = app.add_subcommand("batch", "Answer at the CA what a line without a network has signed");
  group->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* sign = AddCommand(
      *group, "sign",
      "Have the requests of a bundle answered, as if its station had asked itself. Once more gives the same answers.",
      "  hallmark batch sign bundle.cms --out answers.jsonl");
  sign->add_option("file", options->file, "What `hallmark station export` wrote")->required()->type_name("FILE");
  sign->add_option("--out", options->out, "The answers, for `hallmark station import`")->required()->type_name("FILE");
  sign->callback([&session, options] { session.Finish(SignBatch(session, *options)); });
}

}  // namespace hallmark::cli
