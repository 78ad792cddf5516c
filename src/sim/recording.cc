#include "src/sim/recording.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "src/core/base/duration.h"
#include "src/core/base/outcome.h"
#include "src/sim/method_names.h"

namespace firebreak::sim {
namespace {

constexpr size_t kLongestLine = 4096;
constexpr size_t kLongestName = 256;
constexpr size_t kMostColumns = 64;
constexpr double kLatestMs = 1e15;  // 29'000 years from 1970
constexpr double kLongestMs = 1e9;
constexpr absl::string_view kVersionLine = "#firebreak-calls ";

enum Column { kStart, kLatency, kMethod, kCode, kColumns };
constexpr absl::string_view kNames[kColumns] = {"start_ms", "latency_ms",
                                                "method", "code"};

absl::Status ErrorAt(int64_t line, size_t column, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ", column ", column, ": ", problem));
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMost = 20;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kMost)),
                      text.size() > kMost ? "...'" : "'");
}

// SimpleAtod would also accept "inf", "nan", hexadecimals and spaces.
bool ParseMs(absl::string_view text, double most, double* ms) {
  if (text.empty() || text.size() > 30) return false;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)) && c != '.') {
      return false;
    }
  }
  return absl::SimpleAtod(text, ms) && *ms >= 0 && *ms <= most;
}

// Reads the lines of a stream. (It does not use the streambuf, whose errors are
// exceptions.)
class Lines {
 public:
  explicit Lines(std::istream* in) : in_(in), block_(size_t{1} << 16) {}

  // Reads one line, without its end. False at the end of the stream, or if the
  // line has no end; `*line` is then its incomplete text.
  bool Take(std::string* line) {
    line->clear();
    for (;;) {
      if (at_ == end_ && !Fill()) return false;
      const auto from = block_.begin() + static_cast<std::ptrdiff_t>(at_);
      const auto to = block_.begin() + static_cast<std::ptrdiff_t>(end_);
      const auto stop = std::find(from, to, '\n');
      // The excess of a line that is too long is not kept.
      if (line->size() <= kLongestLine) line->append(from, stop);
      at_ = static_cast<size_t>(stop - block_.begin());
      if (stop == to) continue;
      ++at_;
      break;
    }
    if (!line->empty() && line->back() == '\r') line->pop_back();
    return true;
  }

 private:
  bool Fill() {
    in_->read(block_.data(), static_cast<std::streamsize>(block_.size()));
    at_ = 0;
    end_ = static_cast<size_t>(in_->gcount());
    return end_ > 0;
  }

  std::istream* const in_;
  std::vector<char> block_;
  size_t at_ = 0;
  size_t end_ = 0;
};

class Reader {
 public:
  explicit Reader(size_t max_calls) : max_calls_(max_calls) {}

  absl::StatusOr<Recording> Read(std::istream* in) {
    std::string line;
    Lines lines(in);
    while (lines.Take(&line)) {
      ++number_;
      absl::Status read = TakeRow(line);
      if (!read.ok()) return read;
    }
    if (in->bad()) return absl::UnavailableError("cannot be read");
    result_.is_cut = !line.empty() && has_header_;
    if (!has_header_) {
      return ErrorAt(number_ + 1, 1,
                     absl::StrCat("found ", Quoted(line), "; expected the ",
                                  "names of the columns and a line end: "
                                  "start_ms,method,latency_ms,code"));
    }
    if (result_.calls.empty()) return ErrorAt(number_ + 1, 1, "no calls");
    return Finish();
  }

 private:
  absl::Status TakeRow(absl::string_view line) {
    if (line.size() > kLongestLine) {
      return ErrorAt(number_, 1,
                     absl::StrCat("longer than ", kLongestLine, " bytes"));
    }
    if (absl::StartsWith(line, "#")) return TakeComment(line);
    if (line.empty() && has_header_) return absl::OkStatus();
    fields_ = absl::StrSplit(line, absl::MaxSplits(',', kMostColumns));
    if (!has_header_) return TakeHeader();
    return TakeCall();
  }

  absl::Status TakeComment(absl::string_view line) const {
    if (!absl::ConsumePrefix(&line, kVersionLine)) return absl::OkStatus();
    int version = 0;
    if (!absl::SimpleAtoi(line, &version) || version < 1) {
      return ErrorAt(number_, 1,
                     absl::StrCat("found version ", Quoted(line), "; expected ",
                                  Recording::kVersion));
    }
    if (version > Recording::kVersion) {
      return ErrorAt(
          number_, 1,
          absl::StrCat("is of version ", version,
                       "; this program reads versions up to ",
                       Recording::kVersion, ", so take a newer one"));
    }
    return absl::OkStatus();
  }

  absl::Status TakeHeader() {
    has_header_ = true;
    columns_.fill(kNowhere);
    for (size_t i = 0; i < fields_.size(); ++i) {
      for (size_t name = 0; name < kColumns; ++name) {
        if (fields_[i] != kNames[name]) continue;
        if (columns_[name] != kNowhere) {
          return ErrorAt(number_, i + 1,
                         absl::StrCat("has the name ", kNames[name], " twice"));
        }
        columns_[name] = i;
      }
    }
    for (const Column needed : {kStart, kLatency}) {
      if (columns_[needed] != kNowhere) continue;
      return ErrorAt(
          number_, 1,
          absl::StrCat("found ", Quoted(absl::StrJoin(fields_, ",")),
                       "; expected the names of the columns, with ",
                       kNames[needed],
                       " among them: start_ms,method,latency_ms,code"));
    }
    return absl::OkStatus();
  }

  // The error names the column, counted from 1, and its text.
  absl::Status Wrong(Column which, absl::string_view expected) const {
    const size_t at = columns_[which];
    return ErrorAt(
        number_, at + 1,
        absl::StrCat("found ", Quoted(fields_[at]), "; expected ", expected));
  }

  absl::Status TakeCall() {
    for (size_t name = 0; name < kColumns; ++name) {
      if (columns_[name] != kNowhere && columns_[name] >= fields_.size()) {
        return ErrorAt(number_, columns_[name] + 1,
                       absl::StrCat("missing; expected ", kNames[name]));
      }
    }
    if (result_.calls.size() == max_calls_) {
      return ErrorAt(number_, 1, absl::StrCat("over ", max_calls_, " calls"));
    }
    double start = 0;
    double latency = 0;
    if (!ParseMs(fields_[columns_[kStart]], kLatestMs, &start)) {
      return Wrong(kStart, "a decimal number in [0, 1e15]");
    }
    if (!ParseMs(fields_[columns_[kLatency]], kLongestMs, &latency)) {
      return Wrong(kLatency, "a decimal number in [0, 1e9]");
    }
    Recording::Call call;
    if (columns_[kCode] != kNowhere &&
        !ParseCode(fields_[columns_[kCode]], &call.code)) {
      return Wrong(kCode, "a status code, as UNAVAILABLE or 14");
    }
    absl::string_view method = kUnnamedMethod;
    if (columns_[kMethod] != kNowhere) {
      method = fields_[columns_[kMethod]];
      if (method.empty() || method.size() > kLongestName) {
        return Wrong(kMethod,
                     absl::StrCat("a name of 1 to ", kLongestName, " bytes"));
      }
    }
    bool is_other = false;
    call.method = names_.NumberOf(method, &is_other);
    if (is_other) ++result_.of_other_methods;
    // Relative to the first row for now: nanoseconds since the epoch would
    // overflow.
    if (result_.calls.empty()) first_ms_ = start;
    const double since_ms = start - first_ms_;
    constexpr double kMost = core::ToSeconds(Recording::kLongest) * 1e3;
    if (since_ms > kMost || since_ms < -kMost) return TooFarApart(since_ms);
    call.at = Duration(static_cast<Duration::rep>(since_ms * 1e6));
    call.latency = Duration(static_cast<Duration::rep>(latency * 1e6));
    if (call.at < latest_) ++result_.out_of_order;
    latest_ = std::max(latest_, call.at);
    result_.calls.push_back(call);
    return absl::OkStatus();
  }

  absl::Status TooFarApart(double ms) const {
    return ErrorAt(
        number_, columns_[kStart] + 1,
        absl::StrFormat("is %.0f s from the start of the first call; allowed "
                        "%s. Do the clocks agree?",
                        ms / 1e3, core::FormatDuration(Recording::kLongest)));
  }

  absl::StatusOr<Recording> Finish() {
    std::vector<Recording::Call>& calls = result_.calls;
    if (result_.out_of_order > 0) {
      std::stable_sort(calls.begin(), calls.end(),
                       [](const Recording::Call& a, const Recording::Call& b) {
                         return a.at < b.at;
                       });
    }
    const Duration first = calls.front().at;
    for (Recording::Call& call : calls) call.at -= first;
    if (calls.back().at > Recording::kLongest) {
      return TooFarApart(core::ToSeconds(calls.back().at) * 1e3);
    }
    return std::move(result_);
  }

  static constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

  const size_t max_calls_;
  Recording result_;
  int64_t number_ = 0;
  bool has_header_ = false;
  std::array<size_t, kColumns> columns_{};
  std::vector<absl::string_view> fields_;
  MethodNames names_{&result_.methods};
  double first_ms_ = 0;
  Duration latest_ = Duration::min();
};

}  // namespace

bool ParseCode(absl::string_view text, absl::StatusCode* code) {
  int number = -1;
  if (!absl::SimpleAtoi(text, &number)) {
    number = -1;
    for (int i = 0; i < core::kStatusCodes; ++i) {
      const auto each = static_cast<absl::StatusCode>(i);
      if (absl::StatusCodeToString(each) == text) number = i;
    }
  }
  if (number < 0 || number >= core::kStatusCodes) return false;
  *code = static_cast<absl::StatusCode>(number);
  return true;
}

absl::StatusOr<Recording> ReadRecording(std::istream* in, size_t max_calls) {
  return Reader(max_calls).Read(in);
}

void WriteRecording(const Recording& recording, std::ostream* out) {
  *out << kVersionLine << Recording::kVersion
       << "\nstart_ms,method,latency_ms,code\n";
  for (const Recording::Call& call : recording.calls) {
    *out << absl::StrFormat("%.3f,%s,%.3f,%s\n", core::ToSeconds(call.at) * 1e3,
                            recording.methods[call.method],
                            core::ToSeconds(call.latency) * 1e3,
                            absl::StatusCodeToString(call.code));
  }
}

Recording OnlyMethods(const Recording& recording,
                      const std::function<bool(const std::string&)>& fits) {
  Recording chosen;
  std::vector<int> now(recording.methods.size(), -1);
  for (size_t i = 0; i < recording.methods.size(); ++i) {
    if (!fits(recording.methods[i])) continue;
    now[i] = static_cast<int>(chosen.methods.size());
    chosen.methods.push_back(recording.methods[i]);
  }
  for (Recording::Call call : recording.calls) {
    if (now[call.method] < 0) continue;
    call.method = static_cast<uint16_t>(now[call.method]);
    chosen.calls.push_back(call);
  }
  chosen.is_cut = recording.is_cut;
  return chosen;
}

}  // namespace firebreak::sim
