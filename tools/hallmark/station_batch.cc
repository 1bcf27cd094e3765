// hallmark batch sign.
#include <fmt/format.h>

#include <fstream>

#include "base/file.h"
#include "base/reason.h"
#include "tools/hallmark/station.h"

namespace hallmark::cli {
namespace {

constexpr size_t kChunk = size_t{60} << 10;  // of IssueBundleRequest.chunk, at most 64 KiB
constexpr size_t kAnswerLimit = size_t{2} << 30;

struct Options {
  std::string file;
  std::string out;
};

StatusOr<ExitCode> SignBatch(Session& session, const Options& options) {
  std::ifstream in(options.file, std::ios::binary);
  if (!in) {
    return Error(Code::kNotFound, reason::kFileUnreadable, fmt::format("cannot open the bundle {}", options.file));
  }
  ASSIGN_OR_RETURN(Client client, session.Connect());
  std::string answer;
  v1::IssueBundleResponse last;
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
      [&answer, &last](const v1::IssueBundleResponse& response) -> Status {
        answer += response.chunk();
        last = response;
        if (answer.size() <= kAnswerLimit) return absl::OkStatus();
        return Error(Code::kResourceExhausted, reason::kBundleInvalid, "the answer is longer than any bundle's can be");
      }));
  RETURN_IF_ERROR(WriteFile(options.out, AsBytes(answer)));
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
