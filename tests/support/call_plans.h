// What the calls of accounting.h shall go through, by their number.
//
//   Accounting books(1000, [seed](size_t id) { return WildPlan(seed, id); });
//
// Thread safety: pure functions.
#ifndef FIREBREAK_TESTS_SUPPORT_CALL_PLANS_H_
#define FIREBREAK_TESTS_SUPPORT_CALL_PLANS_H_

#include <cstddef>
#include <cstdint>

#include "tests/support/load.h"

namespace firebreak::testing {

// Whatever answers at once: so every attempt has a status from a server, and
// every attempt that was launched was seen.
CallPlan CalmPlan(uint64_t seed, size_t id);

// And cancels, hedges, deadlines that are short or spent, servers that hang.
CallPlan WildPlan(uint64_t seed, size_t id);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_CALL_PLANS_H_
