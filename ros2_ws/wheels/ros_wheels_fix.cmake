# Given as -DCMAKE_PROJECT_INCLUDE where ROS 2 comes from wheels; with an installed ROS 2 nothing of this is needed.
#
# The wheels' exported targets name include folders of the machine on which they were built
# (/opt/python/cp311-cp311/...), and CMake refuses a target whose include folder does not exist. Those folders are
# dropped here, after the project's own find_package calls; the generators add the folders of the Python at hand.
function(drop_missing_include_folders)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(kept)
    foreach(folder IN LISTS folders)
      if(NOT folder MATCHES "^/opt/python/" OR EXISTS "${folder}")
        list(APPEND kept "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()
cmake_language(DEFER CALL drop_missing_include_folders)
