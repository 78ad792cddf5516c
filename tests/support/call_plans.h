// Plans for the calls of accounting.h, by their ids.
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

// A plan in which servers always answer at once, so every attempt gets a status
// from a server, and every launched attempt was seen.
CallPlan CalmPlan(uint64_t seed, size_t id);

// Also cancels, hedges, short or passed deadlines, and servers that hang.
CallPlan WildPlan(uint64_t seed, size_t id);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_CALL_PLANS_H_
