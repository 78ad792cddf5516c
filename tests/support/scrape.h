// Reads the metrics of a collector as a scraper does.
//
//   Samples samples = Scrape(collector);
//   EXPECT_EQ(samples.Of("firebreak_requests_total",
//                        {{"channel", "pay"}, {"type", "success"}}), 3);
#ifndef FIREBREAK_TESTS_SUPPORT_SCRAPE_H_
#define FIREBREAK_TESTS_SUPPORT_SCRAPE_H_

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace firebreak::testing {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class Samples {
 public:
  using Labels = std::map<std::string, std::string>;

  std::vector<Sample> all;
  std::string text;

  // The samples with the name and at least these labels.
  std::vector<Sample> Find(const std::string& name,
                           const Labels& labels = {}) const {
    std::vector<Sample> found;
    for (const Sample& each : all) {
      if (each.name == name &&
          std::includes(each.labels.begin(), each.labels.end(), labels.begin(),
                        labels.end())) {
        found.push_back(each);
      }
    }
    return found;
  }
  // The value of the only such sample, which must exist.
  double Of(const std::string& name, const Labels& labels = {}) const {
    const std::vector<Sample> found = Find(name, labels);
    EXPECT_EQ(found.size(), 1u) << name;
    return found.size() == 1 ? found.front().value : -1;
  }
};

// Parses a label's value, from its opening quote on, and removes it from
// `text`.
inline std::string TakeQuoted(absl::string_view* text) {
  std::string value;
  for (text->remove_prefix(1); text->front() != '"'; text->remove_prefix(1)) {
    if (text->front() == '\\') {
      text->remove_prefix(1);
      value += text->front() == 'n' ? '\n' : text->front();
    } else {
      value += text->front();
    }
  }
  text->remove_prefix(1);
  return value;
}

// Parses the text format of Prometheus, as far as prometheus-cpp uses it.
inline Samples ParseSamples(const std::string& text) {
  Samples samples;
  samples.text = text;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    Sample sample;
    const size_t end = line.find_first_of("{ ");
    sample.name = std::string(line.substr(0, end));
    line.remove_prefix(end);
    while (line[0] == '{' || line[0] == ',') {
      line.remove_prefix(1);
      if (line[0] == '}') break;
      const size_t equals = line.find('=');
      const std::string label(line.substr(0, equals));
      line.remove_prefix(equals + 1);
      sample.labels[label] = TakeQuoted(&line);
    }
    if (line[0] == '}') line.remove_prefix(1);
    EXPECT_TRUE(absl::SimpleAtod(line.substr(1), &sample.value)) << line;
    samples.all.push_back(std::move(sample));
  }
  return samples;
}

inline Samples Scrape(const prometheus::Collectable& collectable) {
  return ParseSamples(
      prometheus::TextSerializer().Serialize(collectable.Collect()));
}

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_SCRAPE_H_
