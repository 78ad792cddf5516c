// Fuzzes recordings of calls, as CSV and .fbr, and distributions as people
// write them. A recording that can be read can be written, and CSV reads the
// same again.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "absl/strings/string_view.h"
#include "src/core/base/printable.h"
#include "src/core/base/rng.h"
#include "src/sim/distribution_text.h"
#include "src/sim/recording.h"
#include "tests/fuzz/planted.h"
#include "tools/firebreakctl/foresight/recorded_calls.h"
#include "tools/firebreakctl/foresight/recording_file.h"

namespace firebreak::sim {
namespace {

constexpr size_t kMostCalls = 2000;

// Equal as far as CSV goes, which has three decimals of a millisecond.
bool IsNear(Duration a, Duration b) {
  return a - b <= std::chrono::microseconds(1) &&
         b - a <= std::chrono::microseconds(1);
}

void ReadCalls(const std::string& csv) {
  std::istringstream in(csv);
  const auto read = ReadRecording(&in, kMostCalls);
  if (!read.ok()) {
    testing::Always(core::IsUtf8(read.status().message()));
    testing::Always(read.status().message().size() < 500);
    return;
  }
  testing::Always(!read->calls.empty() && read->calls.size() <= kMostCalls);
  testing::Always(read->calls.front().at == Duration::zero());
  std::ostringstream out;
  WriteRecording(*read, &out);
  std::istringstream written(out.str());
  const auto again = ReadRecording(&written, kMostCalls);
  testing::Always(again.ok());
  testing::Always(again->calls.size() == read->calls.size());
  testing::Always(again->out_of_order == 0 && !again->is_cut);
  for (size_t i = 0; i < read->calls.size(); ++i) {
    const Recording::Call& a = read->calls[i];
    const Recording::Call& b = again->calls[i];
    testing::Always(i == 0 || read->calls[i - 1].at <= a.at);
    testing::Always(a.method < read->methods.size());
    testing::Always(IsNear(a.at, b.at) && IsNear(a.latency, b.latency));
    testing::Always(a.code == b.code);
    testing::Always(read->methods[a.method] == again->methods[b.method]);
  }
  const Recording first = OnlyMethods(
      *read, [&](const std::string& m) { return m == read->methods.front(); });
  testing::Always(first.methods.size() <= 1 &&
                  first.calls.size() <= read->calls.size());
  testing::Planted(read->calls.size() > 2 && read->methods.size() > 1 &&
                   read->out_of_order > 0);
}

// Reads a .fbr file. One that can be read can also be converted to CSV.
void ReadFile(const std::string& bytes) {
  std::istringstream in(bytes);
  ctl::RecordedNotes notes;
  const auto read = ctl::ReadRecordedCalls(&in, &notes);
  testing::Always(notes.lost >= 0 && notes.lost <= ctl::kMostLost);
  if (!read.ok()) {
    testing::Always(core::IsUtf8(read.status().message()));
    testing::Always(read.status().message().size() < 500);
  } else {
    testing::Always(!read->calls.empty());
    for (size_t i = 1; i < read->calls.size(); ++i) {
      testing::Always(read->calls[i - 1].at <= read->calls[i].at);
    }
  }
  std::istringstream again(bytes);
  std::ostringstream table;
  ctl::RecordedNotes of_table;
  const absl::Status written = ctl::WriteCsv(&again, &table, &of_table);
  testing::Always(written.ok() || !read.ok());
}

void ReadDistribution(absl::string_view text) {
  const auto read = ParseDistribution(text);
  if (!read.ok()) {
    testing::Always(!read.status().message().empty());
    testing::Always(core::IsUtf8(read.status().message()));
    return;
  }
  core::Rng rng(1);
  for (int i = 0; i < 20; ++i) {
    testing::Always(read->Sample(&rng) >= Duration::zero());
  }
}

}  // namespace
}  // namespace firebreak::sim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  firebreak::sim::ReadCalls(text);
  firebreak::sim::ReadFile(text);
  // Hardly any input has a correct checksum. So the input is also put into a
  // file as a block, which gets one.
  const std::string block = firebreak::ctl::RecordingBlock(text);
  firebreak::sim::ReadFile(firebreak::ctl::RecordingHeader() + block + block);
  if (size < 300) firebreak::sim::ReadDistribution(text);
  return 0;
}
