# An overlay port that builds the checkout it lies in:
#
#   vcpkg install firebreak --overlay-ports=CHECKOUT/packaging/vcpkg

get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS
  FEATURES
    prometheus FIREBREAK_PROMETHEUS
    tools FIREBREAK_BUILD_CTL)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${FEATURE_OPTIONS}
    -DFIREBREAK_BUILD_TESTS=OFF
    -DFIREBREAK_BUILD_EXAMPLES=OFF
    -DFIREBREAK_INSTALL=ON
    -DFIREBREAK_WERROR=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/firebreak)
vcpkg_fixup_pkgconfig()
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES firebreakctl AUTO_CLEAN)
endif()
file(REMOVE_RECURSE
  "${CURRENT_PACKAGES_DIR}/debug/include"
  "${CURRENT_PACKAGES_DIR}/debug/share")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage"
  DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
# The checkout has no file of a licence.
set(VCPKG_POLICY_SKIP_COPYRIGHT_CHECK enabled)
