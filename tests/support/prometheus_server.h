// A real Prometheus in a process of its own that scrapes one endpoint.
//
//   PrometheusServer prometheus(program, /*target_port=*/9464);
//   ASSERT_TRUE(prometheus.ok());
//   EXPECT_EQ(prometheus.Query("sum(firebreak_requests_total)"), 100);
//
// It keeps its data in a folder of its own, which is removed with it, and
// listens on a free port.
//
// Thread safety: none; the process ends with the thread that started it.
#ifndef FIREBREAK_TESTS_SUPPORT_PROMETHEUS_SERVER_H_
#define FIREBREAK_TESTS_SUPPORT_PROMETHEUS_SERVER_H_

#include <sys/types.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/types/optional.h"

namespace firebreak::testing {

class PrometheusServer {
 public:
  // Scrapes http://127.0.0.1:`target_port`/metrics twice a second, and uses
  // `rules`, a file, unless that is empty. Returns when it is ready.
  PrometheusServer(const std::string& program, int target_port,
                   const std::string& rules = "");
  ~PrometheusServer();
  PrometheusServer(const PrometheusServer&) = delete;
  PrometheusServer& operator=(const PrometheusServer&) = delete;

  // False if it did not start; then `log()` says why.
  bool ok() const { return port_ != 0; }
  std::string log() const;

  // The only value of an instant query; nullopt if there is none, or several.
  absl::optional<double> Query(const std::string& promql) const;
  // All series of an instant query, with labels and value.
  struct Series {
    std::map<std::string, std::string> labels;
    double value = 0;
  };
  std::vector<Series> QueryAll(const std::string& promql) const;
  // The "data" of the answer to GET /api/v1/`path`; null on failure.
  nlohmann::json Get(const std::string& path) const;

 private:
  bool IsReady();

  const std::string dir_;
  pid_t pid_ = -1;
  int port_ = 0;
};

// The body of `url` if GET answers with 200; otherwise nullopt.
absl::optional<std::string> HttpGet(const std::string& url);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_PROMETHEUS_SERVER_H_
