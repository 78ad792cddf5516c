# Makes the Debian packages libfirebreak-dev and firebreak-tools.
#
#   cmake --preset deb && cmake --build --preset deb
#   (cd build/deb && cpack)
#
# tests/install/packages installs and removes them.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR firebreak)
if(NOT CPACK_PACKAGE_CONTACT)
  set(CPACK_PACKAGE_CONTACT "The firebreak developers <firebreak@localhost>")
endif()
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_COMPONENTS_ALL dev)
if(FIREBREAK_BUILD_CTL)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()

# Generated code fits only one minor version of Protobuf.
set(depends libgrpc++-dev libabsl-dev)
if(Protobuf_VERSION MATCHES "^([0-9]+)\\.([0-9]+)")
  math(EXPR next "${CMAKE_MATCH_2} + 1")
  list(APPEND depends "libprotobuf-dev (>= ${CMAKE_MATCH_0})"
    "libprotobuf-dev (<< ${CMAKE_MATCH_1}.${next})")
else()
  list(APPEND depends libprotobuf-dev)
endif()
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS firebreak-tools)
if(FIREBREAK_PROMETHEUS_TARGET)
  list(APPEND depends prometheus-cpp-dev)
endif()
list(JOIN depends ", " CPACK_DEBIAN_DEV_PACKAGE_DEPENDS)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libfirebreak-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEV_DESCRIPTION
"Libraries, headers and protos of firebreak: circuit breaker, hedged requests and
deadline-aware retry for clients of gRPC C++, with an admin service.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME firebreak-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION net)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
"firebreakctl looks at and controls the circuit breakers of running processes
through their admin service of firebreak.")

include(CPack)
