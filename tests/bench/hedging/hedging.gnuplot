# Draws hedging.dat, a block for each variant: which share of the calls takes
# longer than what is below.
#
#   gnuplot -e "data='hedging.dat'; out='hedging.svg'" hedging.gnuplot
stats data using 1 skip 1 nooutput
blocks = STATS_blocks
set terminal svg size 760, 460 font "sans,12" background "white"
set termoption noenhanced
set output out
set title "Share of calls that take longer"
set xlabel "ms"
set logscale xy
set xrange [3:300]
set yrange [1e-4:1]
set xtics (3, 5, 10, 20, 50, 100, 200)
set ytics ("100 %%" 1, "10 %%" 0.1, "1 %%" 0.01, "0.1 %%" 0.001, "0.01 %%" 1e-4)
set grid
set key right top
plot for [i = 0:blocks - 2] data index i using 1:2 with lines lw 1.5 \
  lc i + 1 title columnheader(1), \
  data index blocks - 1 using 1:2 with lines lw 1.5 dt 2 lc rgb "black" \
  title columnheader(1)
