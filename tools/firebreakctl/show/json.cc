#include "tools/firebreakctl/show/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "src/compat.h"
#include "tools/firebreakctl/show/table.h"

namespace firebreak::ctl {

std::string ToJson(const google::protobuf::Message& message, bool whitespace) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = whitespace;
  // Zeros are printed, so that scripts find every counter.
  compat::PrintZeros(&options);
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    std::cerr << "firebreakctl: the answer has no JSON form: "
              << Printable(status.ToString()) << "\n";
  }
  if (!whitespace) json += "\n";
  return json;
}

std::string JsonText(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  return std::string(absl::StripTrailingAsciiWhitespace(ToJson(value, false)));
}

std::string ToJsonLine(const std::string& target, const std::string& error,
                       const google::protobuf::Message& response) {
  if (!error.empty()) {
    return absl::StrCat("{\"target\":", JsonText(target),
                        ",\"error\":", JsonText(error), "}\n");
  }
  return absl::StrCat(
      "{\"target\":", JsonText(target), ",\"response\":",
      absl::StripTrailingAsciiWhitespace(ToJson(response, false)), "}\n");
}

}  // namespace firebreak::ctl
