// Carries values between the messages of the policy language and the tables of
// fields of the core's options (src/core/base/field.h).
//
//   FieldReader read("breaker", &unreadable, &errors);
//   read.Read(entry.breaker(), options.Fields());    // sets what is set there
//   WriteFields(options.Fields(), view.mutable_breaker());
//
// A field is found by its name, so that one with a row in the table needs no
// code here.
//
// An error names the field's path and says what is allowed. A value that cannot
// be read is replaced by a stand-in and its path noted as unreadable, so that a
// later check can keep quiet about it; a readable one takes the note back.
//
// Thread safety: none. Ownership: what it is given outlives it.
#ifndef FIREBREAK_SRC_ENGINE_POLICY_POLICY_FIELDS_H_
#define FIREBREAK_SRC_ENGINE_POLICY_POLICY_FIELDS_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "src/core/base/field.h"

namespace firebreak::engine {

class FieldReader {
 public:
  // `path` is the message's own.
  FieldReader(absl::string_view path,
              absl::flat_hash_set<std::string>* unreadable,
              core::FieldErrors* errors)
      : path_(path), unreadable_(unreadable), errors_(errors) {}

  // Sets each field that `message` sets, and leaves the others.
  void Read(const google::protobuf::Message& message,
            const core::FieldList& fields);
  // "is 3; allowed ..."
  void Add(absl::string_view field, std::string problem);

 private:
  friend struct ValueReader;

  // Notes whether the field at `path` could be read.
  void Note(const std::string& path, bool is_readable);

  const std::string path_;
  absl::flat_hash_set<std::string>* const unreadable_;
  core::FieldErrors* const errors_;
};

// Sets in `message` every field of the table, but for those without a value.
void WriteFields(const core::FieldList& fields,
                 google::protobuf::Message* message);

// The message that `message` has in the field of this name; null if it has
// none, or no such field.
const google::protobuf::Message* FindPart(
    const google::protobuf::Message& message, absl::string_view name);
// The same, made if it is not there; null only without such a field.
google::protobuf::Message* MakePart(google::protobuf::Message* message,
                                    absl::string_view name);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_FIELDS_H_
