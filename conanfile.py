"""firebreak for Conan 2, from a checkout:

    conan create . --build=missing

and in a consumer `requires("firebreak/0.1.0")`.
"""

import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import rmdir


class FirebreakConan(ConanFile):
    name = "firebreak"
    version = "0.1.0"
    description = "Client-side gRPC interceptors: breaker, hedging, retry"
    topics = ("grpc", "circuit-breaker", "retry", "hedging")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "with_prometheus": [True, False],
        "with_tools": [True, False],
    }
    default_options = {
        "shared": False,
        "with_prometheus": False,
        "with_tools": False,
    }
    exports_sources = (
        "CMakeLists.txt",
        "cmake/*",
        "docs/prometheus/*",
        "include/*",
        "interceptors/*",
        "proto/*",
        "src/*",
        "tools/*",
    )

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("firebreak is for Linux")
        check_min_cppstd(self, 17)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        # Public headers include all three.
        self.requires("grpc/[>=1.54]", transitive_headers=True,
                      transitive_libs=True)
        self.requires("protobuf/[>=3.21]", transitive_headers=True,
                      transitive_libs=True)
        self.requires("abseil/[>=20220623]", transitive_headers=True,
                      transitive_libs=True)
        if self.options.with_prometheus:
            self.requires("prometheus-cpp/[>=1.0]", transitive_headers=True)
        if self.options.with_tools:
            self.requires("cli11/[>=2.1]", visible=False)
            self.requires("cpp-httplib/[>=0.11]", visible=False)

    def build_requirements(self):
        # Programs that run while it is built: protoc, grpc_cpp_plugin.
        self.tool_requires("cmake/[>=3.22]")
        self.tool_requires("protobuf/<host_version>")
        self.tool_requires("grpc/<host_version>")

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables.update({
            "FIREBREAK_BUILD_CTL": bool(self.options.with_tools),
            "FIREBREAK_BUILD_EXAMPLES": False,
            "FIREBREAK_BUILD_TESTS": False,
            "FIREBREAK_INSTALL": True,
            "FIREBREAK_PROMETHEUS": bool(self.options.with_prometheus),
            "FIREBREAK_SERVE": bool(self.options.with_tools),
            "FIREBREAK_WERROR": False,
        })
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        # CMakeDeps writes its own, from package_info().
        rmdir(self, os.path.join(self.package_folder, "lib", "cmake"))
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "firebreak")
        outside = ["grpc::grpc++", "protobuf::libprotobuf",
                   "abseil::absl_optional", "abseil::absl_status",
                   "abseil::absl_statusor", "abseil::absl_strings"]

        def component(name, libs, requires):
            part = self.cpp_info.components[name]
            part.set_property("cmake_target_name", f"firebreak::{name}")
            part.libs = libs
            part.requires = requires

        if self.options.shared:
            component("firebreak", ["firebreak"], outside)
            component("admin", [], ["firebreak"])
            component("testing", ["firebreak_testing"], ["firebreak"])
        else:
            component("firebreak", ["firebreak_firebreak", "firebreak_proto",
                                    "firebreak_core"],
                      outside + ["abseil::absl_btree",
                                 "abseil::absl_flat_hash_map",
                                 "abseil::absl_flat_hash_set",
                                 "abseil::absl_inlined_vector",
                                 "abseil::absl_span",
                                 "abseil::absl_str_format",
                                 "abseil::absl_time"])
            component("admin", ["firebreak_admin"], ["firebreak"])
            component("testing", ["firebreak_testing"], ["firebreak"])
        self.cpp_info.components["firebreak"].system_libs = ["pthread"]
        if self.options.with_prometheus:
            component("prometheus", ["firebreak_prometheus"],
                      ["firebreak", "prometheus-cpp::prometheus-cpp-core"])
