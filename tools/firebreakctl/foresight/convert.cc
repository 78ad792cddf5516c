// `firebreakctl convert`: converts recordings between .fbr and CSV.
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/firebreakctl/ask/input.h"
#include "tools/firebreakctl/foresight/foresight.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"
#include "tools/firebreakctl/foresight/recording_file.h"
#include "tools/firebreakctl/show/words.h"

namespace firebreak::ctl {
namespace {

// Small, since each call may have a name of 4 kB.
constexpr size_t kCallsInBlock = 250;

struct ConvertArguments {
  std::string from;
  std::string to;
};

int Refuse(const std::string& path, const absl::Status& status) {
  Complain(
      absl::Status(status.code(), absl::StrCat(path, ": ", status.message())));
  return kExitFailed;
}

v1::CallBlock BlockOf(const sim::Recording& recording, size_t begin) {
  v1::CallBlock block;
  for (const char* name : {"", "success", "server_failure"}) {
    block.add_names(name);
  }
  std::map<uint16_t, uint32_t> numbers;
  const size_t end = std::min(begin + kCallsInBlock, recording.calls.size());
  block.set_base_ns(recording.calls[begin].at.count());
  for (size_t i = begin; i < end; ++i) {
    const sim::Recording::Call& from = recording.calls[i];
    const bool is_ok = from.code == absl::StatusCode::kOk;
    v1::RecordedCall* const call = block.add_calls();
    const auto [number, is_new] = numbers.try_emplace(
        from.method, static_cast<uint32_t>(block.names_size()));
    if (is_new) block.add_names(recording.methods[from.method]);
    call->set_method(number->second);
    call->set_started_ns((from.at - recording.calls[begin].at).count());
    call->set_took_ns(static_cast<uint64_t>(from.latency.count()));
    call->set_end(is_ok ? v1::RECORDED_END_SUCCESS : v1::RECORDED_END_FAILURE);
    call->set_code(static_cast<v1::Code>(from.code));
    v1::RecordedAttempt* const attempt = call->add_attempts();
    attempt->set_took_ns(call->took_ns());
    attempt->set_code(call->code());
    attempt->set_attribution(is_ok ? 1 : 2);
    attempt->set_answered(true);
  }
  return block;
}

int ToFile(const ConvertArguments& typed) {
  std::string notes;
  const absl::StatusOr<sim::Recording> recording =
      ReadRecordingFile(typed.from, &notes);
  if (!recording.ok()) {
    Complain(recording.status());
    return kExitFailed;
  }
  std::cerr << notes;
  auto file = RecordingFile::Create(typed.to);
  absl::Status written = file.status();
  for (size_t i = 0; written.ok() && i < recording->calls.size();
       i += kCallsInBlock) {
    written = (*file)->Append(BlockOf(*recording, i));
  }
  if (written.ok()) return kExitOk;
  Complain(written);
  return kExitFailed;
}

// Whether the file exists and is not empty; then it is not overwritten.
bool HasSomething(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         found.st_size > 0;
}

int ToCsv(const ConvertArguments& typed) {
  std::ifstream file;
  const absl::StatusOr<std::istream*> in = OpenInput(typed.from, &file);
  if (!in.ok()) {
    Complain(in.status());
    return kExitFailed;
  }
  if (!IsRecordingFile(*in)) {
    return Refuse(typed.from,
                  absl::InvalidArgumentError(
                      "is no recording: it does not begin as a .fbr file "
                      "does"));
  }
  std::ofstream target;
  const bool is_output = typed.to == "-";
  if (!is_output && HasSomething(typed.to)) {
    return Refuse(typed.to,
                  absl::FailedPreconditionError(
                      "there is something in it already; name another file"));
  }
  if (!is_output) target.open(typed.to, std::ios::binary | std::ios::trunc);
  if (!is_output && !target) {
    return Refuse(typed.to, absl::FailedPreconditionError("cannot be written"));
  }
  std::ostream* const out = is_output ? &std::cout : &target;
  RecordedNotes notes;
  const absl::Status written = WriteCsv(*in, out, &notes);
  if (!written.ok()) return Refuse(typed.from, written);
  out->flush();
  if (!out->good()) {
    return Refuse(typed.to, absl::UnavailableError("cannot be written"));
  }
  std::cerr << NotesOn(notes);
  return kExitOk;
}

}  // namespace

std::string NotesOn(const RecordedNotes& notes) {
  std::string out;
  if (notes.is_cut) {
    out +=
        "the recording is cut off: its last block has no end, and was left "
        "out\n";
  }
  if (notes.lost > 0) {
    absl::StrAppend(&out, notes.lost,
                    " calls are missing: there was no room for them\n");
  }
  if (notes.share < 1) {
    absl::StrAppend(&out, "only ", Figure(notes.share * 100),
                    "% of the calls were recorded: the load was higher\n");
  }
  if (notes.streams > 0) {
    absl::StrAppend(&out, notes.streams, " streams are left out\n");
  }
  if (notes.abandoned > 0) {
    absl::StrAppend(&out, notes.abandoned,
                    " calls are left out: they were destroyed before they had "
                    "a status\n");
  }
  if (!notes.clocks.empty()) {
    absl::StrAppend(&out, "clocks were wrong, and were set right: ",
                    absl::StrJoin(notes.clocks, ", ",
                                  [](std::string* text, const auto& each) {
                                    absl::StrAppend(
                                        text, Printable(each.first), " by ",
                                        Brief(std::abs(each.second)));
                                  }),
                    "\n");
  }
  return out;
}

void AddConvertCommand(CLI::App* app, std::function<int()>* chosen) {
  CLI::App* const convert = app->add_subcommand(
      "convert", "Make a table (CSV) of a recording, or a recording of one");
  convert->footer(
      "Examples:\n"
      "  firebreakctl convert calls.fbr calls.csv\n"
      "  firebreakctl convert calls.fbr -\n"
      "  firebreakctl convert access-log.csv calls.fbr\n\n"
      "A table has a line for each call, with what its caller got.\n\n"
      "Exit codes: 0 done; 1 it cannot be read or written; 2 wrong usage.");
  auto typed = std::make_shared<ConvertArguments>();
  convert
      ->add_option("FROM", typed->from,
                   "A recording, .fbr or CSV; \"-\" for standard input")
      ->required()
      ->type_name("");
  convert
      ->add_option("TO", typed->to,
                   "What is made: .fbr, or else CSV; \"-\" for standard "
                   "output")
      ->required()
      ->type_name("");
  convert->callback([typed, chosen] {
    *chosen = [typed] {
      return absl::EndsWith(typed->to, ".fbr") ? ToFile(*typed) : ToCsv(*typed);
    };
  });
}

}  // namespace firebreak::ctl
