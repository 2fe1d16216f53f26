# The installed library: headers, pkg-config, a CMake package, the command line.
include(CMakePackageConfigHelpers)

install(TARGETS rote EXPORT rote LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS rote_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set_target_properties(rote_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY include/rote DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

install(EXPORT rote NAMESPACE rote:: FILE roteTargets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rote)
file(WRITE ${PROJECT_BINARY_DIR}/roteConfig.cmake "include(\"\${CMAKE_CURRENT_LIST_DIR}/roteTargets.cmake\")\n")
write_basic_package_version_file(${PROJECT_BINARY_DIR}/roteConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/roteConfig.cmake ${PROJECT_BINARY_DIR}/roteConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rote)

# The prefix is found from the file's own place, so that the tree can be moved.
file(RELATIVE_PATH ROTE_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/rote.pc.in rote.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/rote.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
