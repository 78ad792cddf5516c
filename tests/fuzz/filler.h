// Fills any Protobuf message with values that a fuzzer chooses: words that mean
// something, and arbitrary bytes.
//
//   Filler filler(&data, {"payment", "10s"});
//   filler.Fill(&request);
//
// Thread safety: none.
#ifndef FIREBREAK_TESTS_FUZZ_FILLER_H_
#define FIREBREAK_TESTS_FUZZ_FILLER_H_

#include <fuzzer/FuzzedDataProvider.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <utility>
#include <vector>

namespace firebreak::testing {

class Filler {
 public:
  Filler(FuzzedDataProvider* data, std::vector<std::string> words)
      : data_(*data), words_(std::move(words)) {}

  void Fill(google::protobuf::Message* message, int depth = 0) {
    const auto* const type = message->GetDescriptor();
    // Each turn sets one field, so few fields are set and lists are short.
    for (int n = data_.ConsumeIntegralInRange<int>(0, 6); n > 0; --n) {
      if (data_.remaining_bytes() == 0 || type->field_count() == 0) return;
      Set(type->field(
              data_.ConsumeIntegralInRange<int>(0, type->field_count() - 1)),
          message, depth);
    }
  }

 private:
  using Field = google::protobuf::FieldDescriptor;

  void Set(const Field* field, google::protobuf::Message* m, int depth) {
    const auto* const how = m->GetReflection();
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        if (depth < 5) {
          Fill(many ? how->AddMessage(m, field) : how->MutableMessage(m, field),
               depth + 1);
        }
        return;
      case Field::CPPTYPE_STRING:
        return many ? how->AddString(m, field, Text())
                    : how->SetString(m, field, Text());
      case Field::CPPTYPE_ENUM: {
        const int value = static_cast<int>(Number() % 16);
        return many ? how->AddEnumValue(m, field, value)
                    : how->SetEnumValue(m, field, value);
      }
      default:
        if (!many) SetNumber(field, m);
    }
  }

  void SetNumber(const Field* field, google::protobuf::Message* m) {
    const auto* const how = m->GetReflection();
    const int64_t n = Number();
    switch (field->cpp_type()) {
      case Field::CPPTYPE_INT32:
        return how->SetInt32(m, field, static_cast<int32_t>(n));
      case Field::CPPTYPE_INT64:
        return how->SetInt64(m, field, n);
      case Field::CPPTYPE_UINT32:
        return how->SetUInt32(m, field, static_cast<uint32_t>(n));
      case Field::CPPTYPE_UINT64:
        return how->SetUInt64(m, field, static_cast<uint64_t>(n));
      case Field::CPPTYPE_DOUBLE:
        return how->SetDouble(m, field, data_.ConsumeFloatingPoint<double>());
      case Field::CPPTYPE_FLOAT:
        return how->SetFloat(m, field, data_.ConsumeFloatingPoint<float>());
      case Field::CPPTYPE_BOOL:
        return how->SetBool(m, field, (n & 1) != 0);
      default:
        return;
    }
  }

  int64_t Number() {
    return data_.ConsumeBool() ? data_.ConsumeIntegralInRange<int64_t>(0, 12)
                               : data_.ConsumeIntegral<int64_t>();
  }

  std::string Text() {
    if (data_.ConsumeBool() && !words_.empty()) {
      return words_[data_.ConsumeIntegralInRange<size_t>(0, words_.size() - 1)];
    }
    std::string text = data_.ConsumeRandomLengthString(40);
    // This is longer than any input.
    if (data_.ConsumeBool() && data_.ConsumeBool()) {
      const std::string one = text.empty() ? "x" : text;
      while (text.size() < 20'000) text += one;
    }
    return text;
  }

  FuzzedDataProvider& data_;
  const std::vector<std::string> words_;
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FUZZ_FILLER_H_
