// Carries the options of one call from its ClientContext to its interceptor.
//
//   Taken taken = TakeCallOptions(methods->GetSendInitialMetadata());
//   if (taken.is_set) options = AdjustOptions(options, taken.options);
//
// Metadata is the only way to carry them. The key contains a random token,
// which this process makes at the first use. The value is the bytes of a
// struct, since the same program writes and reads it. All entries whose key
// begins with "firebreak-" are removed from the metadata, whether they are ours
// or not.
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_CONTEXT_CARRIED_OPTIONS_H_
#define FIREBREAK_INTERCEPTORS_CONTEXT_CARRIED_OPTIONS_H_

#include <map>
#include <memory>
#include <string>

#include "firebreak/call_options.h"
#include "src/core/options.h"

namespace firebreak::interceptors {

struct Taken {
  CallOptions options;
  bool is_set = false;
  bool is_set_twice = false;
  int foreign = 0;  // entries that were not ours
};

Taken TakeCallOptions(std::multimap<std::string, std::string>* metadata);

// Returns the metadata key of the options. No other process knows it.
const std::string& OptionsKey();

// Returns a new key that nobody can guess: "firebreak-WHAT-0123...-bin".
// Options and reports use different keys: a gateway may pass trailing metadata
// on, and someone who sees the key of a report there must not learn the key of
// the options.
std::string NewSecretKey(absl::string_view what);

// Returns `options` with the changes that this call asks for, or the same
// object if it asks for none.
std::shared_ptr<const core::MethodOptions> AdjustOptions(
    std::shared_ptr<const core::MethodOptions> options,
    const CallOptions& call);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CONTEXT_CARRIED_OPTIONS_H_
