"""One of several workers among the others: orders, news of each other, who takes the next call, who leads.

Takes a seat and a worker's parts, gives what is done beside other workers. May import: what the layers below give.
"""
