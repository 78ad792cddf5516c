// How long after an outage calls succeed again, whenever the outage ends.
//
//   RecoveryStudy study;
//   for (const RecoveryRow& row : RunRecovery(study, Outage::kBlackHole)) ...
//
// The clients and the server of metastable.h, with firebreak's default breaker.
// The server is in trouble for a while, of four kinds and seven lengths, and
// each of these twenty times: the luck is another each time, and the trouble a
// little longer, so that it ends at any moment of the time between two looks of
// a breaker. Recovered is as in metastable.h: the slowest of a hundred clients
// counts.
//
// What a hundred clients do to a server in trouble, and to one that is just
// back, is counted too: attempts per second while the trouble lasts, and in the
// worst tenth of a second of the first three, beside what comes on a usual day.
#ifndef FIREBREAK_TESTS_BENCH_STUDIES_RECOVERY_H_
#define FIREBREAK_TESTS_BENCH_STUDIES_RECOVERY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "tests/bench/studies/strategies.h"

namespace firebreak::studies {

enum class Outage {
  kSlow,       // a fifth of the capacity; see metastable.h
  kBlackHole,  // what is sent is lost without a word
  // Nothing is worked on until it is over; then what was given up is dropped,
  // as the end of a stream that comes with its beginning.
  kFrozen,
  kDead,  // what is sent is refused at once
};
const char* OutageName(Outage outage);

struct RecoveryStudy {
  std::vector<Duration> triggers = {Sec(1),  Sec(2),  Sec(5), Sec(10),
                                    Sec(20), Sec(30), Sec(60)};
  int phases = 20;
  Duration phase_step =
      Ms(53);  // what each phase is longer than the one before
  Duration warm_up = Sec(10);
  Duration after = Sec(30);
};

struct RecoveryRow {
  Duration trigger;
  // Of all phases, in order of size; absent: not within the study.
  std::vector<absl::optional<Duration>> recoveries;
  double sent_in_trouble;  // attempts per usual attempt, in its last quarter
  double sent_after;       // the same, in the worst tenth of a second

  absl::optional<Duration> median() const {
    return recoveries[recoveries.size() / 2];
  }
  absl::optional<Duration> max() const { return recoveries.back(); }
};

std::vector<RecoveryRow> RunRecovery(const RecoveryStudy& study, Outage outage);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_RECOVERY_H_
