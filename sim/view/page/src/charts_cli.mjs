// node charts.mjs: reads the page's data on stdin.
