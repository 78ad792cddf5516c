// Every end of an attempt has one attribution, and one table says what follows.
#include "src/core/base/outcome.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "src/core/base/reason.h"
#include "tests/support/core_fixtures.h"

namespace firebreak::core {
namespace {

using Code = absl::StatusCode;

AttemptEnd EndsWith(Code code) {
  AttemptEnd end;
  end.code = code;
  return end;
}

BlameRules Failing(Code code) {
  BlameRules rules;
  rules.failures = {code};
  return rules;
}

TEST(CodeSetTest, HoldsWhatWasAdded) {
  CodeSet codes = {Code::kUnavailable, Code::kUnauthenticated};
  EXPECT_TRUE(codes.Contains(Code::kUnavailable));
  EXPECT_TRUE(codes.Contains(Code::kUnauthenticated));
  EXPECT_FALSE(codes.Contains(Code::kOk));
  EXPECT_FALSE(codes.Contains(Code::kInternal));
  EXPECT_FALSE(codes.empty());
  EXPECT_TRUE(CodeSet().empty());
  codes.Add(Code::kOk);
  EXPECT_TRUE(codes.Contains(Code::kOk));
}

TEST(CodeSetTest, UnitesAndCompares) {
  const CodeSet a = {Code::kAborted};
  const CodeSet b = {Code::kInternal};
  EXPECT_EQ(a | b, (CodeSet{Code::kInternal, Code::kAborted}));
  EXPECT_FALSE(a == b);
}

TEST(CodeSetTest, CodeOutsideTheCanonicalRangeBelongsToNone) {
  for (int n : {-1, 17, 32, 33, 1000, -2147483647}) {
    CodeSet codes;
    codes.Add(static_cast<Code>(n));
    EXPECT_TRUE(codes.empty()) << n;
    EXPECT_FALSE(codes.Contains(static_cast<Code>(n))) << n;
  }
}

TEST(AttributeTest, OfPlainCodes) {
  const struct {
    Code code;
    Attribution want;
  } kCases[] = {
      {Code::kOk, Attribution::kSuccess},
      {Code::kUnavailable, Attribution::kServerFailure},
      {Code::kDeadlineExceeded, Attribution::kServerFailure},
      {Code::kInternal, Attribution::kServerFailure},
      {Code::kUnknown, Attribution::kServerFailure},
      {Code::kDataLoss, Attribution::kServerFailure},
      {Code::kResourceExhausted, Attribution::kOverload},
      // The caller did not cancel, so the server did, or a proxy.
      {Code::kCancelled, Attribution::kServerFailure},
      // Answers: they say that the request is wrong, not the server.
      {Code::kInvalidArgument, Attribution::kAnsweredWithError},
      {Code::kNotFound, Attribution::kAnsweredWithError},
      {Code::kAlreadyExists, Attribution::kAnsweredWithError},
      {Code::kPermissionDenied, Attribution::kAnsweredWithError},
      {Code::kFailedPrecondition, Attribution::kAnsweredWithError},
      {Code::kAborted, Attribution::kAnsweredWithError},
      {Code::kOutOfRange, Attribution::kAnsweredWithError},
      {Code::kUnimplemented, Attribution::kAnsweredWithError},
      {Code::kUnauthenticated, Attribution::kAnsweredWithError},
      // Unknown codes mean nothing, so they count as the server's failure.
      {static_cast<Code>(17), Attribution::kServerFailure},
      {static_cast<Code>(-1), Attribution::kServerFailure},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Attribute(EndsWith(c.code), BlameRules()), c.want)
        << absl::StatusCodeToString(c.code) << " " << static_cast<int>(c.code);
  }
}

TEST(AttributeTest, FailureCodesAreTheOwnersChoice) {
  EXPECT_EQ(Attribute(EndsWith(Code::kAborted), Failing(Code::kAborted)),
            Attribution::kServerFailure);
  EXPECT_EQ(Attribute(EndsWith(Code::kUnavailable), Failing(Code::kAborted)),
            Attribution::kAnsweredWithError);
}

TEST(AttributeTest, OnlyACancelThatWeSawIsTheCallers) {
  AttemptEnd end = EndsWith(Code::kCancelled);
  end.cancelled_by_caller = true;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kCancelledByCaller);
  // The cancel came, but the server had failed before.
  end.code = Code::kInternal;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kServerFailure);
  end.code = Code::kOk;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kSuccess);
}

TEST(AttributeTest, ACancelMadeHereIsTheCallersAndAServersIsNot) {
  AttemptEnd end = EndsWith(Code::kCancelled);
  end.origin = Origin::kHere;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kCancelledByCaller);
  for (const Origin origin :
       {Origin::kPeer, Origin::kTransport, Origin::kUnknown}) {
    end.origin = origin;
    EXPECT_NE(Attribute(end, BlameRules()), Attribution::kCancelledByCaller);
  }
}

TEST(AttributeTest, WhatThisProcessFailedSaysNothingOfTheServer) {
  BlameRules all;
  for (int n = 1; n < kStatusCodes; ++n) all.failures.Add(Code{n});
  all.overload_counts = true;
  BlameRules ignoring;
  ignoring.ignored = {Code::kResourceExhausted, Code::kUnavailable};
  for (int n = 1; n < kStatusCodes; ++n) {
    AttemptEnd end = EndsWith(Code{n});
    end.origin = Origin::kHere;
    end.channel_was_not_ready = true;
    if (end.code == Code::kCancelled) continue;
    // For a deadline, it matters who was slow, and not whose clock ended it.
    const bool is_deadline = end.code == Code::kDeadlineExceeded;
    for (const BlameRules& rules : {BlameRules(), all, ignoring}) {
      const Attribution who = Attribute(end, rules);
      EXPECT_EQ(who, is_deadline ? Attribution::kServerFailure
                                 : Attribution::kLocalError)
          << n;
      EXPECT_EQ(VerdictOn(who, end.code, rules),
                is_deadline ? Verdict::kFailure : Verdict::kNeutral);
    }
  }
  AttemptEnd ok;
  ok.origin = Origin::kHere;  // an interceptor may answer by itself
  EXPECT_EQ(Attribute(ok, BlameRules()), Attribution::kSuccess);
}

TEST(AttributeTest, FailureOfAConnectionIsTheTransports) {
  AttemptEnd end = EndsWith(Code::kUnavailable);
  for (const Origin origin : {Origin::kTransport, Origin::kNowhere}) {
    end.origin = origin;
    EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kTransportFailure);
    // Not a failure code: an answer, wherever it was made.
    EXPECT_EQ(Attribute(end, Failing(Code::kInternal)),
              Attribution::kAnsweredWithError);
  }
}

TEST(AttributeTest, RefusedByAReconnectingChannelWasNotSent) {
  AttemptEnd end = EndsWith(Code::kUnavailable);
  end.channel_was_not_ready = true;
  for (const Origin origin : {Origin::kTransport, Origin::kNowhere}) {
    end.origin = origin;
    EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kNotSent);
  }
  // A server's answer arrived, so the channel was connected in the end.
  for (const Origin origin : {Origin::kPeer, Origin::kUnknown}) {
    end.origin = origin;
    EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kServerFailure);
  }
  // Ready or not, a deadline that ran out there is a failure to connect.
  end.origin = Origin::kTransport;
  end.code = Code::kDeadlineExceeded;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kTransportFailure);
}

TEST(AttributeTest, PushbackTurnsAFailureIntoOverload) {
  AttemptEnd end = EndsWith(Code::kUnavailable);
  for (Duration pushback : {Duration(-1), Duration(0), Duration(5)}) {
    end.pushback = pushback;
    EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kOverload);
  }
  end.code = Code::kNotFound;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kAnsweredWithError);
}

TEST(VerdictTest, OverloadCountsWhereTheOwnerCallsItAFailure) {
  const BlameRules defaults;
  const BlameRules listed = Failing(Code::kResourceExhausted);
  const Attribution overload = Attribution::kOverload;
  EXPECT_EQ(VerdictOn(overload, Code::kResourceExhausted, defaults),
            Verdict::kNeutral);
  EXPECT_EQ(VerdictOn(overload, Code::kResourceExhausted, listed),
            Verdict::kFailure);
  // UNAVAILABLE with pushback: it is alive, and says when to come back.
  EXPECT_EQ(VerdictOn(overload, Code::kUnavailable, BlameRules()),
            Verdict::kNeutral);
}

TEST(VerdictTest, OthersAreAsTheTableSays) {
  for (int n = 0; n < kAttributions; ++n) {
    const auto attribution = static_cast<Attribution>(n);
    if (attribution == Attribution::kOverload) continue;
    EXPECT_EQ(VerdictOn(attribution, Code::kUnavailable, BlameRules()),
              EffectsOf(attribution).verdict);
  }
}

TEST(EffectsTest, TheWholeTable) {
  const struct {
    Attribution attribution;
    absl::string_view name;
    Verdict verdict;
    bool may_be_retried;
    Evidence of_ok;  // of an OK that is so attributed
    Evidence of_deadline;
  } kCases[] = {
      {Attribution::kSuccess, "success", Verdict::kSuccess, true,
       Evidence::kExact, Evidence::kAtLeast},
      {Attribution::kServerFailure, "server_failure", Verdict::kFailure, true,
       Evidence::kNone, Evidence::kAtLeast},
      {Attribution::kTransportFailure, "transport_failure", Verdict::kFailure,
       true, Evidence::kNone, Evidence::kAtLeast},
      {Attribution::kIgnored, "ignored", Verdict::kNeutral, true,
       Evidence::kNone, Evidence::kAtLeast},
      {Attribution::kOverload, "overload", Verdict::kNeutral, true,
       Evidence::kNone, Evidence::kAtLeast},
      {Attribution::kSuperseded, "superseded", Verdict::kNeutral, false,
       Evidence::kAtLeast, Evidence::kAtLeast},
      {Attribution::kCancelledByCaller, "cancelled_by_caller",
       Verdict::kNeutral, false, Evidence::kAtLeast, Evidence::kAtLeast},
      {Attribution::kDeadlineTooShort, "deadline_too_short", Verdict::kNeutral,
       true, Evidence::kAtLeast, Evidence::kAtLeast},
      {Attribution::kNotSent, "not_sent", Verdict::kNotSent, true,
       Evidence::kNone, Evidence::kNone},
      {Attribution::kAbandoned, "abandoned", Verdict::kNeutral, false,
       Evidence::kNone, Evidence::kNone},
      {Attribution::kLocalRejection, "local_rejection", Verdict::kNeutral,
       false, Evidence::kNone, Evidence::kNone},
      {Attribution::kLocalError, "local_error", Verdict::kNeutral, false,
       Evidence::kNone, Evidence::kNone},
      {Attribution::kAnsweredWithError, "answered_with_error",
       Verdict::kSuccess, true, Evidence::kNone, Evidence::kAtLeast},
  };
  EXPECT_EQ(std::size(kCases), size_t{kAttributions});
  for (const auto& c : kCases) {
    EXPECT_EQ(AttributionName(c.attribution), c.name);
    const Effects& effects = EffectsOf(c.attribution);
    EXPECT_EQ(effects.verdict, c.verdict) << c.name;
    EXPECT_EQ(effects.may_be_retried, c.may_be_retried) << c.name;
    EXPECT_EQ(EvidenceOf(Code::kOk, c.attribution), c.of_ok) << c.name;
    EXPECT_EQ(EvidenceOf(Code::kDeadlineExceeded, c.attribution), c.of_deadline)
        << c.name;
  }
}

TEST(EvidenceTest, AFailureThatComesFastSaysNothingAboutAnswers) {
  EXPECT_EQ(EvidenceOf(Code::kInvalidArgument, Attribution::kAnsweredWithError),
            Evidence::kNone);
  EXPECT_EQ(EvidenceOf(Code::kUnavailable, Attribution::kServerFailure),
            Evidence::kNone);
}

TEST(AttributeTest, ADeadlineThatWasTooShortIsNoFaultOfTheServer) {
  AttemptEnd end = EndsWith(Code::kDeadlineExceeded);
  end.deadline_was_too_short = true;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kDeadlineTooShort);
  EXPECT_EQ(Attribute(end, Failing(Code::kInternal)),
            Attribution::kDeadlineTooShort);
  // Other failures have other causes.
  end.code = Code::kUnavailable;
  EXPECT_EQ(Attribute(end, BlameRules()), Attribution::kServerFailure);
}

TEST(ParsePushbackTest, ReadsMilliseconds) {
  EXPECT_EQ(ParsePushback("0"), Duration::zero());
  EXPECT_EQ(ParsePushback("250"), std::chrono::milliseconds(250));
  // The longest that nanoseconds can hold.
  EXPECT_EQ(ParsePushback("9223372036854"),
            std::chrono::milliseconds(9223372036854));
}

TEST(ParsePushbackTest, AnythingElseMeansDoNotRetry) {
  for (absl::string_view text :
       {"-1", "", "abc", "1.5", "10ms", "0x10", "1e3", "1 2", "9223372036855",
        "99999999999999999999999"}) {
    EXPECT_LT(ParsePushback(text), Duration::zero()) << '"' << text << '"';
  }
}

TEST(OutcomeTest, AnIgnoredCodeIsNeutralWhateverElseIsSaidOfIt) {
  BlameRules rules;
  rules.ignored = {Code::kDeadlineExceeded, Code::kResourceExhausted};
  for (Code code : {Code::kDeadlineExceeded, Code::kResourceExhausted}) {
    const Attribution a = Attribute(EndsWith(code), rules);
    EXPECT_EQ(a, Attribution::kIgnored);
    EXPECT_EQ(VerdictOn(a, code, rules), Verdict::kNeutral);
  }
  EXPECT_EQ(Attribute(EndsWith(Code::kInternal), rules),
            Attribution::kServerFailure);
}

TEST(OutcomeTest, OverloadIsNoFailureUnlessThePolicySaysSo) {
  BlameRules rules;
  AttemptEnd pushed = EndsWith(Code::kUnavailable);
  pushed.pushback = Ms(5);
  for (const AttemptEnd& end : {EndsWith(Code::kResourceExhausted), pushed}) {
    rules.overload_counts = false;
    const Attribution a = Attribute(end, rules);
    EXPECT_EQ(a, Attribution::kOverload);
    EXPECT_EQ(VerdictOn(a, end.code, rules), Verdict::kNeutral);
    rules.overload_counts = true;
    EXPECT_EQ(Attribute(end, rules), Attribution::kOverload);
    EXPECT_EQ(VerdictOn(a, end.code, rules), Verdict::kFailure);
  }
}

TEST(ReasonTest, NamesAreDistinctSnakeCase) {
  std::set<std::string> names;
  for (int i = 0; i < kReasons; ++i) {
    names.insert(std::string(ReasonName(static_cast<Reason>(i))));
  }
  EXPECT_EQ(names.size(), size_t{kReasons});
  EXPECT_EQ(names.count("unknown"), 0U);
  for (const std::string& name : names) {
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string::npos)
        << name;
  }
  EXPECT_EQ(ReasonName(Reason::kNone), "");
  EXPECT_EQ(ReasonName(Reason::kBreakerOpen), "breaker_open");
  EXPECT_EQ(ReasonName(static_cast<Reason>(kReasons)), "unknown");
}

}  // namespace
}  // namespace firebreak::core
