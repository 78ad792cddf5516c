# What `cmake --install` lays down, so that another project can say
#
#   find_package(firebreak 0.1 REQUIRED)
#   target_link_libraries(mine PRIVATE firebreak::firebreak)
#
# tests/install is such a project.

include(CMakePackageConfigHelpers)

set(FIREBREAK_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/firebreak)

install(TARGETS firebreak_core firebreak_proto firebreak_firebreak
    firebreak_admin
  EXPORT firebreakTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
# A file of its own: whoever does not want it need not have prometheus-cpp.
if(TARGET firebreak_prometheus)
  install(TARGETS firebreak_prometheus
    EXPORT firebreakPrometheusTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT firebreakPrometheusTargets
    NAMESPACE firebreak::
    DESTINATION ${FIREBREAK_CMAKE_DIR})
  install(FILES include/firebreak/prometheus.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/firebreak)
  # What to do with the metrics.
  install(DIRECTORY docs/prometheus
    DESTINATION ${CMAKE_INSTALL_DATADIR}/firebreak)
endif()
install(TARGETS firebreakctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The public API, and the generated code that it and the admin service speak.
install(DIRECTORY include/firebreak
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h"
  PATTERN "prometheus.h" EXCLUDE)
install(DIRECTORY ${PROJECT_BINARY_DIR}/generated/firebreak/v1
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/firebreak
  FILES_MATCHING PATTERN "*.pb.h"
  PATTERN "*_mock.grpc.pb.h" EXCLUDE)
# For clients of the admin service in other languages.
install(DIRECTORY proto/firebreak/v1
  DESTINATION ${CMAKE_INSTALL_DATADIR}/firebreak/proto/firebreak
  FILES_MATCHING PATTERN "*.proto")

install(EXPORT firebreakTargets
  NAMESPACE firebreak::
  DESTINATION ${FIREBREAK_CMAKE_DIR})
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
  DESTINATION ${FIREBREAK_CMAKE_DIR})
