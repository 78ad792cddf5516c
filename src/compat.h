// Where gRPC and Protobuf differ between the versions that firebreak is built
// with: gRPC 1.51 to the newest, Protobuf 3.21 to the newest. Whatever depends
// on a version is here, and names the version; the rest of the code does not
// ask. docs/versions.md has the table of what was run.
//
//   std::string text = compat::OneLine(message);
//   if (compat::kGrpc >= compat::Version(1, 81)) ...     // in tests
//
// Thread safety: pure functions.
#ifndef FIREBREAK_SRC_COMPAT_H_
#define FIREBREAK_SRC_COMPAT_H_

#include <google/protobuf/arena.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/common.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/version_info.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace firebreak::compat {

// A version as a number that can be compared. Parts below 1,000.
constexpr int Version(int major, int minor, int patch = 0) {
  return (major * 1000 + minor) * 1000 + patch;
}

// What this was compiled with. Protobuf counts its C++ library: 3.21 is
// followed by 4.22, then 5.26, 6.30 and 7.35, for releases 22, 26, 30 and 35.
inline constexpr int kGrpc = Version(
    GRPC_CPP_VERSION_MAJOR, GRPC_CPP_VERSION_MINOR, GRPC_CPP_VERSION_PATCH);
inline constexpr int kProtobuf = GOOGLE_PROTOBUF_VERSION;

// Protobuf 22 renamed AddError() and AddWarning() to RecordError() and
// RecordWarning(), which take string views; 26 dropped the old ones.
class ErrorCollector : public google::protobuf::io::ErrorCollector {
 public:
  // Counted from 0.
  virtual void OnError(int line, int column, absl::string_view message) = 0;
  virtual void OnWarning(int line, int column, absl::string_view message) = 0;

#if GOOGLE_PROTOBUF_VERSION >= 4022000
  void RecordError(int line, int column, absl::string_view message) final {
    OnError(line, column, message);
  }
  void RecordWarning(int line, int column, absl::string_view message) final {
    OnWarning(line, column, message);
  }
#else
  void AddError(int line, int column, const std::string& message) final {
    OnError(line, column, message);
  }
  void AddWarning(int line, int column, const std::string& message) final {
    OnWarning(line, column, message);
  }
#endif
};

// Sets that fields without presence are printed even if they are zero. Protobuf
// 26 renamed the option.
inline void PrintZeros(google::protobuf::util::JsonPrintOptions* options) {
#if GOOGLE_PROTOBUF_VERSION >= 5026000
  options->always_print_fields_with_no_presence = true;
#else
  options->always_print_primitive_fields = true;
#endif
}

// Printing into a string cannot fail, but from Protobuf 36 on the result must
// not be ignored silently.
inline std::string Print(const google::protobuf::Message& message,
                         const google::protobuf::TextFormat::Printer& printer) {
  std::string text;
  (void)printer.PrintToString(message, &text);
  return text;
}

// Returns the text format on one line, which a parser can read again. From
// Protobuf 30 on DebugString() is only for people: it begins with a word that
// does not parse.
inline std::string OneLine(const google::protobuf::Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text = Print(message, printer);
  // Without the space at the end, like ShortDebugString().
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// Returns the line, counted from 0, of element `index` of a field, or -1 if it
// is not there. `index` is -1 for a field that is not a list. Protobuf 35
// replaced the function that tells this.
inline int LineOf(const google::protobuf::TextFormat::ParseInfoTree& tree,
                  const google::protobuf::FieldDescriptor* field, int index) {
#if GOOGLE_PROTOBUF_VERSION >= 7035000
  const auto at =
      index < 0 ? tree.GetFieldLocation(field)
                : tree.GetFieldLocation(field, static_cast<uint32_t>(index));
  return at.ok() ? at->full.start.line : -1;
#else
  return tree.GetLocation(field, index).line;
#endif
}

// Makes a message on an arena. Protobuf 30 dropped CreateMessage(), which was
// for messages only. Before release 22 Create() does not do the same.
template <class Message>
Message* NewOn(google::protobuf::Arena* arena) {
#if GOOGLE_PROTOBUF_VERSION >= 5026000
  return google::protobuf::Arena::Create<Message>(arena);
#else
  return google::protobuf::Arena::CreateMessage<Message>(arena);
#endif
}

}  // namespace firebreak::compat

#endif  // FIREBREAK_SRC_COMPAT_H_
