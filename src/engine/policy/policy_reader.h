// Reads the fields of one message of a policy that may be unreadable, or out of
// their range already on the wire.
//
//   PolicyReader read("breaker", &unreadable, &errors);
//   read.Duration("open_duration", in.open_duration(), &out.open_duration);
//
// An error names the field's path and says what is allowed. A value that cannot
// be read is replaced by a stand-in and its path noted as unreadable, so that a
// later check can keep quiet about it; a readable one takes the note back.
//
// Thread safety: none. Ownership: what it is given outlives it.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_READER_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_READER_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "firebreak/v1/policy.pb.h"
#include "src/core/options.h"

namespace firebreak::engine {

class PolicyReader {
 public:
  // `path` is the message's own.
  PolicyReader(absl::string_view path,
               absl::flat_hash_set<std::string>* unreadable,
               core::FieldErrors* errors)
      : path_(path), unreadable_(unreadable), errors_(errors) {}

  void Duration(absl::string_view field, const std::string& text,
                core::Duration* out);
  // Any of gRPC's codes but OK.
  void Codes(absl::string_view field,
             const google::protobuf::RepeatedField<int>& codes,
             core::CodeSet* out);
  void Jitter(absl::string_view field, v1::RetryPolicy::Backoff::Jitter jitter,
              core::BackoffOptions::Jitter* out);
  // Of enums whose numbers are the same on both sides. Any number may arrive in
  // a proto3 enum; `names` are those allowed.
  template <class In, class Out>
  void Enum(absl::string_view field, In in, absl::string_view names, Out* out) {
    const auto* descriptor = google::protobuf::GetEnumDescriptor<In>();
    if (descriptor->FindValueByNumber(in) != nullptr) {
      *out = static_cast<Out>(in);
      return;
    }
    Add(field, absl::StrCat("is ", static_cast<int>(in), "; allowed: ", names));
  }

  // "is 3; allowed ..."
  void Add(absl::string_view field, std::string problem);

 private:
  std::string Join(absl::string_view field) const;

  const std::string path_;
  absl::flat_hash_set<std::string>* const unreadable_;
  core::FieldErrors* const errors_;
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_READER_H_
