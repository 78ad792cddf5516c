// For tests of code that uses firebreak: a clock that the test moves, scripted
// faults and servers, and functions that describe the result. Link the target
// firebreak::testing.
//
//   auto clock = std::make_shared<firebreak::testing::VirtualClock>();
//   firebreak::EngineOptions options;
//   options.clock = clock;
//   auto engine = *firebreak::Engine::FromFile("policy.textproto", options);
//   firebreak::testing::ScriptedServer server;
//   auto channel = engine->CreateChannel("payment", server.target(), creds);
//   ...
//   EXPECT_THAT(BreakerOf(*engine, "payment", kCharge), BreakerIs("open"));
//   clock->Advance(std::chrono::seconds(10));
//   EXPECT_THAT(BreakerOf(*engine, "payment", kCharge),
//               BreakerIs("half_open"));
//
// docs/testing.md is the guide, and each header is the contract of its part.
// matchers.h is included if GoogleMock is found.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_TESTING_H_
#define FIREBREAK_INCLUDE_FIREBREAK_TESTING_H_

// IWYU pragma: begin_exports
#include "firebreak/testing/fault_injector.h"
#include "firebreak/testing/scripted_server.h"
#include "firebreak/testing/state.h"
#include "firebreak/testing/story.h"
#include "firebreak/testing/virtual_clock.h"
#if defined(__has_include)
#if __has_include(<gmock/gmock.h>)
#include "firebreak/testing/matchers.h"
#endif
#endif
// IWYU pragma: end_exports

#endif  // FIREBREAK_INCLUDE_FIREBREAK_TESTING_H_
