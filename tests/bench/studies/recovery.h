// How long after an outage calls succeed again, at whatever moment it ends.
//
//   RecoveryStudy study;
//   for (const RecoveryRow& row : RunRecovery(study, Outage::kBlackHole)) ...
//
// The clients and the server are those of metastable.h, with firebreak's
// default breaker. The server is in trouble of four kinds and seven lengths,
// and each of these twenty times. Each time the luck differs and the trouble
// lasts a little longer, so that its ends fall on all moments between two
// probes of a breaker. "Recovered" is defined as in metastable.h, over the
// calls of all hundred clients.
//
// The study also counts what a hundred clients send to a server in trouble, and
// to one that is just back: attempts in the last quarter of the trouble, and in
// the worst tenth of a second of the three seconds after it, as multiples of
// what is usual.
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
  kBlackHole,  // attempts are lost, and nobody is told
  // The server works on nothing until the outage is over. Then it drops the
  // attempts that were given up, since it sees their end with their start.
  kFrozen,
  kDead,  // attempts are refused at once
};
const char* OutageName(Outage outage);

struct RecoveryStudy {
  std::vector<Duration> triggers = {Sec(1),  Sec(2),  Sec(5), Sec(10),
                                    Sec(20), Sec(30), Sec(60)};
  int phases = 20;
  Duration phase_step =
      Ms(53);  // by which each phase is longer than the one before
  Duration warm_up = Sec(10);
  Duration after = Sec(30);
};

struct RecoveryRow {
  Duration trigger;
  // Of all phases, in order of size; absent if not within the study.
  std::vector<absl::optional<Duration>> recoveries;
  // Attempts per usual attempt, in the worst phase.
  double sent_in_trouble;  // in the last quarter of the trouble
  double sent_after;       // in the worst tenth of a second after it

  absl::optional<Duration> median() const {
    return recoveries[recoveries.size() / 2];
  }
  absl::optional<Duration> max() const { return recoveries.back(); }
};

std::vector<RecoveryRow> RunRecovery(const RecoveryStudy& study, Outage outage);

}  // namespace firebreak::studies

#endif  // FIREBREAK_TESTS_BENCH_STUDIES_RECOVERY_H_
