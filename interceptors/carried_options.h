// The options of one call on their way from a ClientContext to its interceptor.
//
//   Taken taken = TakeCallOptions(methods->GetSendInitialMetadata());
//   if (taken.is_set) options = AdjustOptions(options, taken.options);
//
// Metadata is the only carrier there is. The key has a token of this process
// that is made at random when it is first used, and the value is the struct's
// bytes: both ends are this very program. Everything that begins with
// "firebreak-" is removed from the metadata, ours or not.
//
// Thread safety: pure functions over what they are given.
#ifndef FIREBREAK_INTERCEPTORS_CARRIED_OPTIONS_H_
#define FIREBREAK_INTERCEPTORS_CARRIED_OPTIONS_H_

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

// Of the metadata they travel in; no other process knows it.
const std::string& OptionsKey();

// A new key that nobody can guess: "firebreak-WHAT-0123...-bin". Each use has
// one of its own: a gateway may hand trailing metadata on, and who sees the key
// of a report there must learn nothing of the one for options.
std::string NewSecretKey(absl::string_view what);

// `options` as this call wants them: the same object when it wants nothing.
std::shared_ptr<const core::MethodOptions> AdjustOptions(
    std::shared_ptr<const core::MethodOptions> options,
    const CallOptions& call);

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_CARRIED_OPTIONS_H_
