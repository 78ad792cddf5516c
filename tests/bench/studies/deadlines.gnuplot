# Draws deadlines.dat: what is doomed, and what succeeds, by the deadline.
#
#   gnuplot -e "data='deadlines.dat'; out='deadlines.svg'" deadlines.gnuplot
stats data using 0 nooutput
set terminal svg size 1180, 360 font "sans,11" background "white"
set termoption noenhanced
set output out
set multiplot
set size 0.4, 1
set origin 0, 0
set grid
set logscale x 2
set yrange [0:1.02]
set xlabel "deadline, in medians of the service time"
set title "Attempts that could not be answered in time"
unset key
plot for [i = 0:STATS_blocks - 1] data index i every ::1 using 1:2 \
  with linespoints lw 2 pt i + 1
set size 0.6, 1
set origin 0.4, 0
set title "Calls that succeeded"
set key outside right
plot for [i = 0:STATS_blocks - 1] data index i using 1:3 \
  with linespoints lw 2 pt i + 1 title columnheader(1)
unset multiplot
