// The tables of fields in the core's options and the messages of policy.proto
// have the same fields, of the same types.
#include "src/engine/policy/policy_fields.h"

#include <set>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "firebreak/v1/policy.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "src/core/options.h"

namespace firebreak::engine {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using ::testing::ElementsAre;

// Whether no table has the field, since it is not a value of the options.
bool IsForTheCompiler(const std::string& field) {
  static const auto* const kFields = new std::set<std::string>{
      "enabled",         // of the part as a whole
      "all_codes_fatal"  // another way to write an empty list
  };
  return kFields->count(field) != 0;
}

// Adds the paths of the fields: "window.calls" and so on.
void AddFields(const Descriptor& type, const std::string& prefix,
               std::set<std::string>* fields) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string name(field.name());
    if (field.message_type() != nullptr) {
      AddFields(*field.message_type(), absl::StrCat(prefix, name, "."), fields);
    } else if (!IsForTheCompiler(name)) {
      fields->insert(prefix + name);
    }
  }
}

std::set<std::string> NamesOf(const core::FieldList& rows) {
  std::set<std::string> names;
  for (const core::Field& row : rows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " stands twice";
  }
  return names;
}

// The type that a value has in the language.
struct CppType {
  FieldDescriptor::CppType operator()(const int*) const {
    return FieldDescriptor::CPPTYPE_INT32;
  }
  FieldDescriptor::CppType operator()(const double*) const {
    return FieldDescriptor::CPPTYPE_DOUBLE;
  }
  FieldDescriptor::CppType operator()(const core::Duration*) const {
    return FieldDescriptor::CPPTYPE_STRING;
  }
  FieldDescriptor::CppType operator()(const std::string*) const {
    return FieldDescriptor::CPPTYPE_STRING;
  }
  FieldDescriptor::CppType operator()(const core::CodeSet*) const {
    return FieldDescriptor::CPPTYPE_ENUM;
  }
  FieldDescriptor::CppType operator()(const bool*) const {
    return FieldDescriptor::CPPTYPE_BOOL;
  }
  template <class T>
  FieldDescriptor::CppType operator()(const absl::optional<T>*) const {
    return (*this)(static_cast<const T*>(nullptr));
  }
  FieldDescriptor::CppType operator()(core::EnumRef) const {
    return FieldDescriptor::CPPTYPE_ENUM;
  }
};

// Every table that the options have, with its message.
template <class Check>
void ForEachTable(Check check) {
  core::MethodOptions options;
  options.retry.emplace().adaptive.emplace();
  options.VisitParts([&](const char* name, auto* part) {
    if (!part->has_value()) part->emplace();
    const FieldDescriptor* const field =
        v1::MethodPolicy::descriptor()->FindFieldByName(name);
    ASSERT_NE(field, nullptr) << name;
    core::FieldList rows = (*part)->Fields();
    // A breaker only has the row of its own kind of window.
    if (options.breaker && name == std::string("breaker")) {
      static int calls = 0;
      rows.emplace_back("window.calls", &calls, core::Within(1, 2));
    }
    check(*field->message_type(), rows);
  });
  core::BudgetOptions budget;
  check(*v1::BudgetPolicy::descriptor(), budget.Fields());
  core::ThrottlingOptions throttling;
  check(*v1::ThrottlingPolicy::descriptor(), throttling.Fields());
}

TEST(PolicyFieldsTest, APartHasARowForEachFieldOfItsMessage) {
  ForEachTable([](const Descriptor& type, const core::FieldList& rows) {
    std::set<std::string> fields;
    AddFields(type, "", &fields);
    EXPECT_EQ(NamesOf(rows), fields) << type.name();
  });
}

TEST(PolicyFieldsTest, ARowHasTheTypeOfItsField) {
  ForEachTable([](const Descriptor& type, const core::FieldList& rows) {
    for (const core::Field& row : rows) {
      const Descriptor* message = &type;
      std::string name = row.name;
      if (const size_t dot = name.find('.'); dot != std::string::npos) {
        message = type.FindFieldByName(name.substr(0, dot))->message_type();
        name = name.substr(dot + 1);
      }
      const FieldDescriptor* const field = message->FindFieldByName(name);
      ASSERT_NE(field, nullptr) << type.name() << "." << row.name;
      EXPECT_EQ(field->cpp_type(), std::visit(CppType(), row.value))
          << type.name() << "." << row.name;
      EXPECT_EQ(field->is_repeated(),
                std::holds_alternative<core::CodeSet*>(row.value))
          << type.name() << "." << row.name;
    }
  });
}

TEST(PolicyFieldsTest, AnEntryHasEveryPartAndEveryFieldThatIsNone) {
  std::set<std::string> values;
  std::set<std::string> parts;
  const Descriptor& type = *v1::MethodPolicy::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    // The names of the entry, and its base.
    const std::set<std::string> others = {"name", "id", "base", "preset"};
    if (others.count(std::string(field.name())) != 0) continue;
    (field.message_type() == nullptr ? values : parts)
        .insert(std::string(field.name()));
  }
  core::MethodOptions options;
  EXPECT_EQ(NamesOf(options.Fields()), values);
  std::set<std::string> visited;
  options.VisitParts([&](const char* name, auto*) { visited.insert(name); });
  EXPECT_EQ(visited, parts);
}

TEST(PolicyFieldsTest, AChannelHasEveryAdmissionPolicy) {
  core::AdmissionOptions options;
  options.VisitParts([](const char* name, auto*, bool*) {
    EXPECT_NE(v1::ChannelPolicy::descriptor()->FindFieldByName(name), nullptr)
        << name;
  });
}

// The numbers are converted from one enum to the other without a change.
TEST(PolicyFieldsTest, EnumsHaveTheSameNumbersOnBothSides) {
  using Mode = core::BreakerOptions::Mode;
  EXPECT_EQ(static_cast<int>(Mode::kEnforce), v1::BreakerPolicy::ENFORCE);
  EXPECT_EQ(static_cast<int>(Mode::kShadow), v1::BreakerPolicy::SHADOW);
  EXPECT_EQ(static_cast<int>(Mode::kDisabled), v1::BreakerPolicy::DISABLED);
  using Scope = core::BreakerOptions::Scope;
  EXPECT_EQ(static_cast<int>(Scope::kMethod), v1::BreakerPolicy::METHOD);
  EXPECT_EQ(static_cast<int>(Scope::kChannel), v1::BreakerPolicy::CHANNEL);
  using Jitter = core::BackoffOptions::Jitter;
  using V1 = v1::RetryPolicy::Backoff;
  EXPECT_EQ(static_cast<int>(Jitter::kFull), V1::FULL);
  EXPECT_EQ(static_cast<int>(Jitter::kEqual), V1::EQUAL);
  EXPECT_EQ(static_cast<int>(Jitter::kPlusMinus), V1::PLUS_MINUS);
  EXPECT_EQ(static_cast<int>(Jitter::kNone), V1::NONE);
}

TEST(PolicyFieldsTest, WhatIsWrittenIsReadAgain) {
  core::RateLimitOptions before;
  before.rate = 12.5;
  before.burst = 7;
  before.max_wait = std::chrono::milliseconds(30);
  v1::RateLimitPolicy message;
  WriteFields(before.Fields(), &message);
  EXPECT_EQ(message.max_wait(), "30ms");

  core::RateLimitOptions after;
  absl::flat_hash_set<std::string> unreadable;
  core::FieldErrors errors;
  FieldReader("rate_limit", &unreadable, &errors).Read(message, after.Fields());
  EXPECT_TRUE(before == after);
  after.burst = 8;
  EXPECT_FALSE(before == after);
  EXPECT_TRUE(errors.empty());
}

TEST(PolicyFieldsTest, AFieldMayBeAbsent) {
  absl::optional<double> confidence;
  absl::optional<core::Duration> wait;
  const core::FieldList fields = {
      {"confidence", &confidence, core::OrZero(core::Within(0.5, 0.9))},
      {"open_duration", &wait,
       core::OrZero(core::Within(std::chrono::milliseconds(1), core::kHour))}};
  v1::BreakerPolicy message;
  WriteFields(fields, &message);
  EXPECT_FALSE(message.has_confidence());
  EXPECT_FALSE(message.has_open_duration());
  core::FieldErrors errors;
  core::CheckFields(fields, "breaker", &errors);
  EXPECT_TRUE(errors.empty());

  message.set_confidence(0.4);
  message.set_open_duration("10us");
  absl::flat_hash_set<std::string> unreadable;
  FieldReader("breaker", &unreadable, &errors).Read(message, fields);
  EXPECT_EQ(confidence, 0.4);
  EXPECT_EQ(wait, core::Duration(10'000));
  core::CheckFields(fields, "breaker", &errors);
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].problem, "is 0.4; allowed [0.5, 0.9]");
  EXPECT_EQ(errors[1].problem, "is 10us; allowed [1ms, 3600s]");

  confidence = 0;
  wait = core::Duration::zero();
  errors.clear();
  core::CheckFields(fields, "breaker", &errors);
  EXPECT_TRUE(errors.empty()) << "0 is off";
}

TEST(PolicyFieldsTest, WhatCannotBeReadIsNotedUntilItCanBe) {
  absl::flat_hash_set<std::string> unreadable;
  core::FieldErrors errors;
  core::RateLimitOptions options;
  FieldReader read("rate_limit", &unreadable, &errors);
  v1::RateLimitPolicy message;
  message.set_max_wait("2 s");
  read.Read(message, options.Fields());
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].field, "rate_limit.max_wait");
  EXPECT_THAT(unreadable, ElementsAre("rate_limit.max_wait"));
  message.set_max_wait("2s");
  read.Read(message, options.Fields());
  EXPECT_TRUE(unreadable.empty());
}

}  // namespace
}  // namespace firebreak::engine
