#include "tools/firebreakctl/ask/policy_file.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "firebreak/v1/admin.pb.h"
#include "src/engine/policy/lint.h"
#include "src/engine/policy/policy.h"
#include "tools/firebreakctl/ask/commands.h"
#include "tools/firebreakctl/ask/input.h"
#include "tools/firebreakctl/show/json.h"

namespace firebreak::ctl {

absl::StatusOr<std::string> ReadPolicyFile(const std::string& path) {
  std::ifstream file;
  const absl::StatusOr<std::istream*> opened = OpenInput(path, &file);
  if (!opened.ok()) return opened.status();
  std::istream& in = **opened;
  // Reads one byte more than allowed, to detect a file that is too long.
  std::string text(engine::kMaxPolicySize + 1, '\0');
  in.read(&text[0], static_cast<std::streamsize>(text.size()));
  if (in.bad()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": cannot be read"));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > engine::kMaxPolicySize) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is longer than ", engine::kMaxPolicySize,
                     " bytes; allowed at most that"));
  }
  if (text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is empty"));
  }
  // Proto strings are UTF-8, so a server could not parse the request.
  v1::ApplyPolicyRequest request;
  request.set_text(text);
  if (!v1::ApplyPolicyRequest().ParseFromString(request.SerializeAsString())) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not UTF-8"));
  }
  return text;
}

namespace {

absl::StatusOr<engine::PolicyTable> Load(const std::string& path) {
  if (path != "-") return engine::LoadPolicyFile(path);
  const absl::StatusOr<std::string> text = ReadPolicyFile(path);
  if (!text.ok()) return text.status();
  return engine::ParsePolicyText(*text, "standard input");
}

}  // namespace

int LintPolicyFile(const std::string& path, bool json, const Style& style) {
  const absl::StatusOr<engine::PolicyTable> policy = Load(path);
  if (!policy.ok()) {
    // One error per line.
    for (absl::string_view line :
         absl::StrSplit(policy.status().message(), '\n', absl::SkipEmpty())) {
      std::cerr << "firebreakctl: " << Printable(line) << "\n";
    }
    return kExitFailed;
  }
  v1::GetPolicyResponse answer;
  bool has_error = false;
  for (const LintFinding& finding : engine::Lint(*policy)) {
    v1::PolicyFinding* const view = answer.add_findings();
    view->set_is_error(finding.severity == LintFinding::Severity::kError);
    view->set_where(finding.where);
    view->set_problem(finding.problem);
    view->set_fix(finding.fix);
    has_error = has_error || view->is_error();
  }
  std::cout << (json ? ToJsonLine(path, "", answer)
                : answer.findings().empty()
                    ? "nothing found\n"
                    : RenderFindings(answer.findings(), style));
  return has_error ? kExitFailed : kExitOk;
}

}  // namespace firebreak::ctl
