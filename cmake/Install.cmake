# `cmake --install`: the program, its data, the libraries and headers, and a package that
# find_package(flashlab) finds, with targets such as flashlab::core.
include(CMakePackageConfigHelpers)

get_property(flashlab_libraries GLOBAL PROPERTY FLASHLAB_LIBRARIES)
set(flashlab_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flashlab)

install(TARGETS ${flashlab_libraries} EXPORT flashlabTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT flashlabTargets NAMESPACE flashlab:: DESTINATION ${flashlab_package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/flashlab
  FILES_MATCHING REGEX "\\.(hpp|h|cuh)$" PATTERN cli EXCLUDE PATTERN data EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sim/data DESTINATION ${CMAKE_INSTALL_DATADIR}/flashlab)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET flashlab)
  # The program finds its library of simulated kernels beside it, wherever both are moved.
  file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(flashlab PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  # What `flashlab profile` and `flashlab lab` link programs with, beside the libraries above.
  set(flashlab_children flashlab_simt_child)
  if(TARGET flashlab_lab_child)
    list(APPEND flashlab_children flashlab_lab_child)
  endif()
  # The labs as `flashlab lab` reads them: text, source, harness, hints.
  file(GLOB flashlab_labs RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/chapters/*/lab)
  foreach(lab IN LISTS flashlab_labs)  # chapters/NN-slug/lab
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${lab}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/flashlab/${lab})
  endforeach()
  install(TARGETS flashlab flashlab_simt_stages ${flashlab_children}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/flashlabConfig.cmake.in
  ${PROJECT_BINARY_DIR}/flashlabConfig.cmake INSTALL_DESTINATION ${flashlab_package_dir}
  PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/flashlabConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flashlabConfig.cmake ${PROJECT_BINARY_DIR}/flashlabConfigVersion.cmake
  DESTINATION ${flashlab_package_dir})
