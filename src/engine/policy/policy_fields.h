// Carries values between the messages of the policy language and the tables of
// fields of the core's options (src/core/base/field.h).
//
//   FieldReader read("breaker", &unreadable, &errors);
//   read.Read(entry.breaker(), options.Fields());    // sets what is set there
//   WriteFields(options.Fields(), view.mutable_breaker());
//
// Fields are found by their names, so a field with a row in the table needs no
// code here.
//
// An error names the field's path and says what is allowed. A value that cannot
// be read is replaced by a stand-in, and its path is noted as unreadable, so
// that later checks do not report it again. A readable value removes the note.
//
// Thread safety: none. Ownership: everything that it is given must outlive it.
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
  // `path` is that of the message.
  FieldReader(absl::string_view path,
              absl::flat_hash_set<std::string>* unreadable,
              core::FieldErrors* errors)
      : path_(path), unreadable_(unreadable), errors_(errors) {}

  // Sets each field that `message` sets, and leaves the others.
  void Read(const google::protobuf::Message& message,
            const core::FieldList& fields);
  // Adds an error, such as "is 3; allowed ...".
  void Add(absl::string_view field, std::string problem);

 private:
  friend struct ValueReader;

  // Notes whether the field at `path` could be read.
  void Note(const std::string& path, bool is_readable);

  const std::string path_;
  absl::flat_hash_set<std::string>* const unreadable_;
  core::FieldErrors* const errors_;
};

// Sets in `message` every field of the table, except those without a value.
void WriteFields(const core::FieldList& fields,
                 google::protobuf::Message* message);

// Returns the message in the field of this name. Null if it is not set, or if
// there is no such field.
const google::protobuf::Message* FindPart(
    const google::protobuf::Message& message, absl::string_view name);
// Returns the same, and makes it if it is not set. Null only if there is no
// such field.
google::protobuf::Message* MakePart(google::protobuf::Message* message,
                                    absl::string_view name);

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_POLICY_POLICY_FIELDS_H_
