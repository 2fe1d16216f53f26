# Writes OUT: a C table {name, text} of FILES below ROOT. Strings are written as
# byte arrays, since C11 guarantees literals of 4095 characters only.
set(text "struct rt_embedded { const char *name; const unsigned char *text; };\n")
set(table "")
set(i 0)
foreach(f IN LISTS FILES)
  file(READ ${ROOT}/${f} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND text "static const unsigned char k${i}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${f}\", k${i}},\n")
  math(EXPR i "${i} + 1")
endforeach()
string(APPEND text "extern const struct rt_embedded rt_embedded_kernels[];\nconst struct rt_embedded rt_embedded_kernels[] = {\n${table}    {0, 0}\n};\n")
file(WRITE ${OUT} "${text}")
