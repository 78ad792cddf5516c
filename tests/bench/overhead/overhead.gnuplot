# Draws overhead.dat, a block for each way of calling: how long a call takes,
# against one with a no-op interceptor.
#
#   gnuplot -e "data='overhead.dat'; out='overhead.svg'" overhead.gnuplot
stats data using 0 nooutput
blocks = STATS_blocks
rows = (blocks + 2) / 3
set terminal svg size 1320, 60 + 330 * rows font "sans,11" background "white"
set termoption noenhanced
set output out
set multiplot layout rows, 3 title \
  "Median time of a call, no-op interceptor = 1 (whiskers: quartiles over rounds)"
set style fill solid 0.35
set boxwidth 0.6
set yrange [0:*]
set grid ytics
set xtics rotate by 40 right
unset key
do for [i = 0:blocks - 1] {
  stats data index i every ::0::0 using (name = strcol(1), 0) nooutput
  set title name
  plot data index i using 0:2:xtic(1) every ::1 with boxes lc rgb "#4477aa", \
    '' index i using 0:2:3:4 every ::1 with yerrorbars pt 0 lc rgb "#222222", \
    1 with lines dt 2 lc rgb "#888888"
}
unset multiplot
