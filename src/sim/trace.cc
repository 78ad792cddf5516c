#include "src/sim/trace.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace firebreak::sim {
namespace {

constexpr absl::string_view kHeader = "at_ms,latency_ms";
constexpr double kMostMs = 1e9;

absl::Status ErrorAt(size_t line, size_t column, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ", column ", column, ": ", problem));
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMost = 20;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kMost)),
                      text.size() > kMost ? "...'" : "'");
}

// SimpleAtod also takes "inf", "nan", hexadecimals and blanks around.
bool ParseMs(absl::string_view text, Duration* value) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '.') {
      return false;
    }
  }
  double ms = 0;
  if (!absl::SimpleAtod(text, &ms) || !(ms >= 0) || ms > kMostMs) return false;
  *value = Duration(static_cast<Duration::rep>(ms * 1e6));
  return true;
}

// Takes one line from the front of `*rest`; its end goes too.
absl::string_view TakeLine(absl::string_view* rest) {
  const size_t end = rest->find('\n');
  absl::string_view line = rest->substr(0, end);
  rest->remove_prefix(end == absl::string_view::npos ? rest->size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

absl::Status ParseRow(absl::string_view line, size_t number, TraceRow* row) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(line, absl::MaxSplits(',', 2));
  Duration* const values[] = {&row->at, &row->latency};
  for (size_t i = 0; i < std::size(values); ++i) {
    if (i >= fields.size()) {
      return ErrorAt(number, i + 1,
                     absl::StrCat("missing; expected ", kHeader));
    }
    if (!ParseMs(fields[i], values[i])) {
      return ErrorAt(number, i + 1,
                     absl::StrCat("found ", Quoted(fields[i]),
                                  "; expected a decimal number in [0, 1e9]"));
    }
  }
  if (fields.size() > std::size(values)) {
    return ErrorAt(
        number, fields.size(),
        absl::StrCat("found ", Quoted(fields.back()), "; expected no more"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Trace> ParseTrace(absl::string_view csv, size_t max_rows) {
  absl::string_view rest = csv;
  const absl::string_view header = TakeLine(&rest);
  if (header != kHeader) {
    return ErrorAt(
        1, 1, absl::StrCat("found ", Quoted(header), "; expected ", kHeader));
  }
  Trace trace;
  size_t number = 1;
  while (!rest.empty()) {
    ++number;
    if (trace.rows.size() == max_rows) {
      return ErrorAt(number, 1, absl::StrCat("over ", max_rows, " rows"));
    }
    const bool is_cut = rest.find('\n') == absl::string_view::npos;
    const absl::string_view line = TakeLine(&rest);
    TraceRow row;
    if (absl::Status bad = ParseRow(line, number, &row); !bad.ok()) return bad;
    if (is_cut) return ErrorAt(number, 2, "cut short: no line end follows");
    if (!trace.rows.empty() && row.at < trace.rows.back().at) {
      return ErrorAt(
          number, 1,
          absl::StrCat("found ", Quoted(line.substr(0, line.find(','))),
                       ", before the row above; expected rows in "
                       "the order of at_ms"));
    }
    trace.rows.push_back(row);
  }
  if (trace.rows.empty()) return ErrorAt(2, 1, "no rows");
  return trace;
}

absl::StatusOr<Trace> ReadTrace(const std::string& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char block[1 << 16];
  while (text.size() <= max_bytes &&
         (file.read(block, sizeof block), file.gcount() > 0)) {
    text.append(block, static_cast<size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": over ", max_bytes, " bytes"));
  }
  absl::StatusOr<Trace> trace = ParseTrace(text);
  if (!trace.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", trace.status().message()));
  }
  return trace;
}

}  // namespace firebreak::sim
