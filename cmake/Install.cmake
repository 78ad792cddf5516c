# What `cmake --install` installs, so that another project can say
#
#   find_package(firebreak 0.1 REQUIRED)
#   target_link_libraries(mine PRIVATE firebreak::firebreak)
#
# or `pkg-config firebreak`. tests/install has such projects. The component
# `dev` has the library, and `tools` the command line.

include(CMakePackageConfigHelpers)

set(FIREBREAK_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/firebreak)

# install_libraries(EXPORT TARGET...)
function(install_libraries EXPORT)
  install(TARGETS ${ARGN}
    EXPORT ${EXPORT}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  install(EXPORT ${EXPORT}
    NAMESPACE firebreak::
    DESTINATION ${FIREBREAK_CMAKE_DIR} COMPONENT dev)
endfunction()

install_libraries(firebreakTargets ${FIREBREAK_TARGETS})
# This has a file of its own, so that only those who use it need prometheus-cpp.
if(FIREBREAK_PROMETHEUS_TARGET)
  install_libraries(firebreakPrometheusTargets ${FIREBREAK_PROMETHEUS_TARGET})
  install(FILES include/firebreak/prometheus.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/firebreak COMPONENT dev)
  # A dashboard and alerts for the metrics.
  install(DIRECTORY docs/prometheus
    DESTINATION ${CMAKE_INSTALL_DATADIR}/firebreak COMPONENT dev)
endif()

# The public API, and the generated code that it and the admin service use.
install(DIRECTORY include/firebreak
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
  FILES_MATCHING PATTERN "*.h"
  PATTERN "prometheus.h" EXCLUDE)
install(DIRECTORY ${PROJECT_BINARY_DIR}/generated/firebreak/v1
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/firebreak COMPONENT dev
  FILES_MATCHING PATTERN "*.pb.h"
  PATTERN "*_mock.grpc.pb.h" EXCLUDE)
# The protos are for clients of the admin service in other languages.
install(DIRECTORY proto/firebreak/v1
  DESTINATION ${CMAKE_INSTALL_DATADIR}/firebreak/proto/firebreak COMPONENT dev
  FILES_MATCHING PATTERN "*.proto")

configure_package_config_file(
  cmake/firebreakConfig.cmake.in
  ${PROJECT_BINARY_DIR}/firebreakConfig.cmake
  INSTALL_DESTINATION ${FIREBREAK_CMAKE_DIR})
# Before 1.0 a minor version may break the API.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/firebreakConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/firebreakConfig.cmake
  ${PROJECT_BINARY_DIR}/firebreakConfigVersion.cmake
  DESTINATION ${FIREBREAK_CMAKE_DIR} COMPONENT dev)

include(cmake/PkgConfig.cmake)
if(FIREBREAK_BUILD_CTL)
  include(cmake/InstallTools.cmake)
endif()
if(PROJECT_IS_TOP_LEVEL)
  include(cmake/Package.cmake)
endif()
