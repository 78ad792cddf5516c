// All fuzz targets, by name, for one program. Each file *_fuzz.cc has an
// LLVMFuzzerTestOneInput(), which is compiled under a name of its own.
//
//   for (const FuzzTarget& target : kFuzzTargets) target.run(bytes, size);
//
// Thread safety: one call at a time.
#ifndef FIREBREAK_TESTS_FUZZ_TARGETS_H_
#define FIREBREAK_TESTS_FUZZ_TARGETS_H_

#include <cstddef>
#include <cstdint>

extern "C" {
int FuzzOf_admin(const uint8_t* bytes, size_t size);
int FuzzOf_breaker(const uint8_t* bytes, size_t size);
int FuzzOf_call_driver(const uint8_t* bytes, size_t size);
int FuzzOf_gate(const uint8_t* bytes, size_t size);
int FuzzOf_json(const uint8_t* bytes, size_t size);
int FuzzOf_metadata(const uint8_t* bytes, size_t size);
int FuzzOf_policy(const uint8_t* bytes, size_t size);
int FuzzOf_recording(const uint8_t* bytes, size_t size);
int FuzzOf_service_config(const uint8_t* bytes, size_t size);
int FuzzOf_text(const uint8_t* bytes, size_t size);
int FuzzOf_wire(const uint8_t* bytes, size_t size);
}  // extern "C"

namespace firebreak::testing {

struct FuzzTarget {
  const char* name;
  int (*run)(const uint8_t* bytes, size_t size);
};

inline constexpr FuzzTarget kFuzzTargets[] = {
    {"admin", FuzzOf_admin},
    {"breaker", FuzzOf_breaker},
    {"call_driver", FuzzOf_call_driver},
    {"gate", FuzzOf_gate},
    {"json", FuzzOf_json},
    {"metadata", FuzzOf_metadata},
    {"policy", FuzzOf_policy},
    {"recording", FuzzOf_recording},
    {"service_config", FuzzOf_service_config},
    {"text", FuzzOf_text},
    {"wire", FuzzOf_wire},
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FUZZ_TARGETS_H_
